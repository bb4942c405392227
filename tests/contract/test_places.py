"""State on many devices, and on disk."""

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from tests.contract.tools import STEPS, assert_close, at, metrics_of, of_each_kind
from tests.helpers import avals, run

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
  return any(leaf.ndim for leaf in jax.tree.leaves(state))


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
    checkpointer.save(tmp_path / "state", states[half - 1])
    checkpointer.wait_until_finished()
    abstract = jax.eval_shape(case.make().init, params)
    state = checkpointer.restore(tmp_path / "state", abstract)
  assert avals(state) == avals(states[half - 1])
  for i in range(half, STEPS):
    updates, state = update(gradients[i], state, params, **at(metrics, i))
    assert_close(updates, expected[i], rtol=0, atol=0)
