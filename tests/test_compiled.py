"""What the compiler makes of a window of gradients: its ring is written in place.

XLA copies a ring that is read before it is written, the whole window at every step. The
tests look at the compiled program, and at a ring built the wrong way as a control.
"""

import collections
import re

import jax
import jax.numpy as jnp
import pytest

import grokfax
from tests.helpers import copies_and_scatters, on_cpu, temporary_bytes

pytestmark = pytest.mark.usefixtures("fused_as_for_users")
SHAPE, MEMBERS = (64, 32), 3
RING_BYTES = 4 * 64 * 32


def one_step(tx, window_size, dtype="float32"):
  del window_size
  params = jnp.zeros(SHAPE, dtype)
  return jax.jit(tx.update, donate_argnums=1).lower(params, tx.init(params)).compile()


def train(tx):
  def scan(params, state, data):
    def step(carry, x):
      params, state = carry
      updates, state = tx.update(params * x, state, params)
      return (params - 0.1 * updates, state), updates.sum()

    return jax.lax.scan(step, (params, state), data)

  return scan


def in_a_scan(tx, window_size, dtype="float32"):
  params = jnp.zeros(SHAPE, dtype)
  args = (params, tx.init(params), jnp.zeros(3 * window_size, dtype))
  return jax.jit(train(tx), donate_argnums=(0, 1)).lower(*args).compile()


def under_vmap(tx, window_size, dtype="float32"):
  """Whole runs side by side: the state is born inside, so the window itself is temporary."""

  def run(params, data):
    (params, state), losses = train(tx)(params, tx.init(params), data)
    return params, state, losses

  args = (jnp.zeros((MEMBERS, *SHAPE), dtype), jnp.zeros((MEMBERS, 3 * window_size), dtype))
  return jax.jit(jax.vmap(run)).lower(*args).compile()


def under_vmap_donated(tx, window_size, dtype="float32"):
  """A chunk of runs side by side: members share the clocks, their state comes from outside."""
  axes = jax.tree.map(lambda leaf: 0 if leaf.ndim else None, tx.init(jnp.zeros(SHAPE, dtype)))
  run = jax.vmap(train(tx), in_axes=(0, axes, 0), out_axes=((0, axes), 0))
  params = jnp.zeros((MEMBERS, *SHAPE), dtype)
  state = jax.vmap(tx.init, out_axes=axes)(params)
  args = (params, state, jnp.zeros((MEMBERS, 3 * window_size), dtype))
  return jax.jit(run, donate_argnums=(0, 1)).lower(*args).compile()


# How each is compiled, for how many members, and how many windows are born inside.
CONTEXTS = {
  "jit": (one_step, 1, 0),
  "scan": (in_a_scan, 1, 0),
  "vmap": (under_vmap, MEMBERS, 1),
  "vmap donated": (under_vmap_donated, MEMBERS, 0),
}


def read_first(window_size):
  """A ring as one would write it: take the oldest out, then put the new one in its place."""

  def init(params):
    return (
      jnp.zeros([], jnp.int32),
      jnp.zeros((window_size, *params.shape)),
      jnp.zeros_like(params),
    )

  def update(g, state, params=None):
    del params
    slot, ring, total = state
    total = total + g - ring[slot]
    ring = jax.lax.dynamic_update_index_in_dim(ring, g, slot, 0)
    return g + total, ((slot + 1) % window_size, ring, total)

  return collections.namedtuple("Transformation", "init update")(init, update)


WINDOWED = {
  "ma": grokfax.grokfast_ma,
  "ma of blocks": lambda n: grokfax.grokfast_ma(5 * n, blocks=n),
  "fir": lambda n: grokfax.grokfast_fir([1 / n] * n),
}


@pytest.mark.parametrize("window_size", [10, 100])
@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("name", WINDOWED)
def test_the_ring_is_written_in_place(name, context, window_size):
  build, members, born = CONTEXTS[context]
  compiled = build(WINDOWED[name](window_size), window_size)
  size = window_size + (name == "ma of blocks")
  shape = (size, *SHAPE) if members == 1 else (members, size, *SHAPE)
  assert f"[{','.join(map(str, shape))}]" in compiled.as_text()
  assert copies_and_scatters(compiled.as_text(), shape) == []
  # Beside the ring a handful of arrays of the parameters' size.
  rings = members * size * RING_BYTES
  assert temporary_bytes(compiled) < born * rings + 8 * members * RING_BYTES


WHOLE = r"\[(\d+,)?50,64,32\]"


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("name", ["ma", "fir"])
def test_a_ring_of_bfloat16_is_not_converted(name, context):
  """XLA's CPU backend would make it float32 and back again at every step, all of the window.

  There it is float32 all along, elsewhere bfloat16.
  """
  build, *_ = CONTEXTS[context]
  text = build(WINDOWED[name](50), 50, "bfloat16").as_text()
  kept, other = ("f32", "bf16") if on_cpu() else ("bf16", "f32")
  assert re.search(rf"\b{kept}{WHOLE}", text)
  assert not re.search(rf"\b{other}{WHOLE}|= \S+{WHOLE}\S* convert\(", text)


def test_the_conversion_would_be_seen():
  """The control: a ring of bfloat16 as one would write it."""
  ring, g = jnp.zeros((50, *SHAPE), "bfloat16"), jnp.zeros(SHAPE, "bfloat16")
  write = jax.jit(jax.lax.dynamic_update_index_in_dim, static_argnums=3, donate_argnums=0)
  text = write.lower(ring, g, jnp.int32(0), 0).compile().as_text()
  converted = re.search(rf"= \S+{WHOLE}\S* convert\(", text)
  assert bool(converted) == (jax.__version_info__ < (0, 11))  # whose XLA writes the slot in place


def test_the_control_is_caught():
  """On a CPU. (XLA's GPU backend, seen with jax 0.11.2, makes no copy of this one either.)"""
  compiled = one_step(read_first(100), 100)
  copies = copies_and_scatters(compiled.as_text(), (100, *SHAPE))
  assert bool(copies) == on_cpu()
  assert temporary_bytes(compiled) >= 100 * RING_BYTES or not on_cpu()


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("name", ["ma", "ma of blocks"])
def test_a_step_is_the_same_program_at_any_window(name, context):
  build, *_ = CONTEXTS[context]

  def operations(window_size):
    text = build(WINDOWED[name](window_size), window_size).as_text()
    return collections.Counter(re.findall(r"= \S+ ([a-z-]+)\(", text))

  assert operations(10) == operations(1000)
