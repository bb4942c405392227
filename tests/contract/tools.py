"""What the contract's tests are made of: a tree of parameters, gradients in a row, metrics."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.cases import KINDS, Case
from tests.helpers import run

STEPS = 8
of_each_kind = pytest.mark.parametrize("case", KINDS, indirect=True)


def metrics_of(case: Case, steps: int = STEPS):
  """A stream for each metric that the case needs, on both sides of its threshold."""
  values = np.tile([0.2, 0.9, 0.4, 0.7], -(-steps // 4))[:steps]
  return {
    name: jnp.asarray(np.roll(values, 2 * i), jnp.float32) for i, name in enumerate(case.metrics)
  }


def at(metrics, i):
  return {name: values[i] for name, values in metrics.items()}


def tree_of(shape_of_leaf, dtype=jnp.float32):
  return {
    "layer": {"kernel": shape_of_leaf((3, 2), dtype), "bias": shape_of_leaf((2,), dtype)},
    "scale": shape_of_leaf((), dtype),
    "nothing": shape_of_leaf((0, 4), dtype),
  }


def make_params(dtype=jnp.float32):
  return tree_of(lambda shape, dtype: jnp.full(shape, 0.5, dtype), dtype)


def make_gradients(dtype=jnp.float32, steps: int = STEPS):
  rng = np.random.default_rng(0)

  def leaf(shape, dtype):
    value = rng.normal(size=shape)
    if jnp.issubdtype(dtype, jnp.complexfloating):
      value = value + 1j * rng.normal(size=shape)
    return jnp.asarray(value, dtype)

  return [tree_of(leaf, dtype) for _ in range(steps)]


def stacked(trees):
  """Trees in a row as one, in NumPy: (n, *shape) in each leaf."""
  return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)


def run_case(case, gradients, params):
  return run(case.make(), gradients, params, **metrics_of(case, len(gradients)))


def assert_close(ours, theirs, **tolerance):
  chex.assert_trees_all_close(ours, theirs, **{"rtol": 1e-6, "atol": 1e-6, **tolerance})
