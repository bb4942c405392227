"""State on many devices, and on disk."""

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import grokfax
from tests.contract.tools import (
  STEPS,
  assert_close,
  at,
  make_gradients,
  make_params,
  metrics_of,
  of_each_kind,
  stacked,
)
from tests.helpers import avals, needs_devices, run

SHAPES = {"kernel": (8, 3), "bias": (16,), "scale": ()}
SPECS = {"kernel": P("shards", None), "bias": P("shards"), "scale": P()}


def make_tree(seed):
  rng = np.random.default_rng(seed)
  return {name: jnp.asarray(rng.normal(size=s), jnp.float32) for name, s in SHAPES.items()}


def spec_of(leaf):
  """The sharding of an array's last dimensions, written out in full."""
  spec = leaf.sharding.spec if isinstance(leaf.sharding, NamedSharding) else P()
  return (*spec, *[None] * (leaf.ndim - len(spec)))


def assert_laid_out_like_the_parameters(state):
  """What has a parameter's last dimensions is sharded along them as the parameter is."""
  found = set()
  for leaf in jax.tree.leaves(state):
    for name, shape in SHAPES.items():
      if shape and leaf.shape[-len(shape) :] == shape:
        assert spec_of(leaf)[-len(shape) :] == tuple(SPECS[name]), (name, leaf.sharding)
        assert not any(spec_of(leaf)[: -len(shape)])
        found.add(name)
  return found


@needs_devices(8)
@of_each_kind
@pytest.mark.parametrize("axis_type", [AxisType.Auto, AxisType.Explicit], ids=["auto", "explicit"])
def test_state_is_sharded_like_the_parameters(case, axis_type):
  """On 8 devices: laid out alike before and after, and the numbers of one device."""
  params, metrics = make_tree(0), metrics_of(case)
  gradients = [make_tree(i) for i in range(1, 6)]
  expected, _ = run(case.make(), gradients, params, **metrics)

  mesh = jax.make_mesh((8,), ("shards",), axis_types=(axis_type,))
  places = {name: NamedSharding(mesh, spec) for name, spec in SPECS.items()}
  tx = case.make()
  with jax.set_mesh(mesh):
    params = jax.device_put(params, places)
    state, update = tx.init(params), jax.jit(tx.update)
    sharded = assert_laid_out_like_the_parameters(state)
    assert sharded == ({"kernel", "bias"} if has_arrays(state) else set())
    for i, (g, plain) in enumerate(zip(gradients, expected, strict=True)):
      updates, state = update(jax.device_put(g, places), state, params, **at(metrics, i))
      assert_laid_out_like_the_parameters((state, updates))
      assert_close(jax.device_get(updates), jax.device_get(plain))


def has_arrays(state):
  """Whether it has an array like each parameter, not just a number for each."""
  sizes = (sum(leaf.size for leaf in jax.tree.leaves(tree)) for tree in (state, make_tree(0)))
  return next(sizes) >= next(sizes)


@of_each_kind
def test_state_survives_a_checkpoint(case, tmp_path):
  """Saved by Orbax in the middle of a run; what was restored goes on as if never stopped.

  (Of parameters without a 0-sized leaf: Orbax refuses those.)
  """
  params, metrics = make_tree(0), metrics_of(case)
  gradients = [make_tree(i) for i in range(1, STEPS + 1)]
  expected, states = run(case.make(), gradients, params, **metrics)
  half, update = STEPS // 2, jax.jit(case.make().update)
  with orbax.checkpoint.StandardCheckpointer() as checkpointer:
    checkpointer.save(tmp_path / "state", {"step": half, "tx": states[half - 1]})
    checkpointer.wait_until_finished()
    abstract = {"step": 0, "tx": jax.eval_shape(case.make().init, params)}
    state = checkpointer.restore(tmp_path / "state", abstract)["tx"]
  assert avals(state) == avals(states[half - 1])
  for i in range(half, STEPS):
    updates, state = update(gradients[i], state, params, **at(metrics, i))
    assert_close(updates, expected[i], rtol=0, atol=0)


@needs_devices(8)
@of_each_kind
def test_in_a_scan_in_a_shard_map(case):
  """Which keeps account of what differs by device: the state's type is the same at each step."""
  params, metrics = make_params(), metrics_of(case)
  gradients = stacked(make_gradients())
  tx = case.make()

  def train(params, gradients, metrics):
    def step(state, g_and_metrics):
      g, metrics = g_and_metrics
      u, state = tx.update(g, state, params, **metrics)
      return state, u

    return jax.lax.scan(step, tx.init(params), (gradients, metrics))[1]

  mesh = jax.make_mesh((8,), ("devices",), axis_types=(AxisType.Auto,))
  together = jax.shard_map(train, mesh=mesh, in_specs=P(), out_specs=P())
  assert_close(
    jax.jit(together)(params, gradients, metrics), train(params, gradients, metrics), atol=1e-5
  )


@needs_devices(8)
def test_a_metric_that_differs_by_device_is_named():
  tx = grokfax.gate(grokfax.grokfast_ema(), grokfax.metric_at_least("accuracy", 0.5))
  params, mesh = jnp.ones(3), jax.make_mesh((8,), ("devices",), axis_types=(AxisType.Auto,))

  def step(params, accuracy):
    return tx.update(params, tx.init(params), params, accuracy=accuracy[0])[0]

  def averaged(params, accuracy):
    return step(params, jax.lax.pmean(accuracy, "devices"))

  def mapped(step):
    return jax.shard_map(step, mesh=mesh, in_specs=(P(), P("devices")), out_specs=P())

  with pytest.raises(ValueError, match=r"differs by device, over the axis 'devices'.*pmean"):
    mapped(step)(params, jnp.arange(8.0) / 8)
  np.testing.assert_array_equal(mapped(averaged)(params, jnp.arange(8.0) / 7), 3.0)


@pytest.mark.parametrize("kinds", [("bfloat16", "float32"), ("float32", "bfloat16")])
@pytest.mark.parametrize("name", ["ma", "fir", "ema"])
def test_a_state_restored_into_another_dtype(name, kinds, tmp_path):
  """As Optax's own states are: the numbers stay what they were."""
  tx = {
    "ma": grokfax.grokfast_ma(3, 1.0),
    "fir": grokfax.grokfast_fir([1 / 3] * 3),
    "ema": grokfax.grokfast_ema(0.9, 1.0),
  }[name]
  before, after = (jnp.zeros(4, kind) for kind in kinds)
  state = tx.init(before)
  for _ in range(4):
    _, state = tx.update(jnp.ones_like(before), state, before)
  with orbax.checkpoint.StandardCheckpointer() as checkpointer:
    checkpointer.save(tmp_path / "state", state)
    checkpointer.wait_until_finished()
    restored = checkpointer.restore(tmp_path / "state", jax.eval_shape(tx.init, after))
  assert avals(restored) == avals(tx.init(after))
  for _ in range(7):
    update, restored = tx.update(jnp.ones_like(after), restored, after)
    np.testing.assert_allclose(update.astype(jnp.float32), 2.0, rtol=1e-6)


@pytest.mark.parametrize("ring", ["bfloat16", "float16", "float32"])
@pytest.mark.parametrize("tx", [grokfax.grokfast_ma(3, 1.0), grokfax.grokfast_fir([1 / 3] * 3)])
def test_a_ring_that_was_cast(tx, ring):
  """By hand, or by a machine whose rings have the parameters' own dtype: it works on."""
  state = tx.init(jnp.zeros(4, jnp.bfloat16))
  for _ in range(4):
    _, state = tx.update(jnp.ones(4, jnp.bfloat16), state)
  kept = state.window.astype(jnp.float32)
  assert float(jnp.linalg.norm(kept)) == pytest.approx(np.sqrt(12.0))  # numbers, no bits
  state = state._replace(window=state.window.astype(ring))
  for _ in range(4):
    update, state = tx.update(jnp.ones(4, jnp.bfloat16), state)
    np.testing.assert_array_equal(update.astype(jnp.float32), 2.0)
    assert state.window.dtype == jnp.dtype(ring)
