"""Gradients clipped to the mean norm before them, against NumPy in float64."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest

import grokfax
from tests.helpers import run


def clipped(gradients, ratio, decay):
  """The formula in float64: each gradient times what the norms before it allow."""
  norms = [np.sqrt(sum(np.sum(np.float64(a) ** 2) for a in g.values())) for g in gradients]
  for t, g in enumerate(gradients):
    weights = decay ** np.arange(t)[::-1]
    mean = np.sum(weights * norms[:t]) / np.sum(weights) if t else 0.0
    mean = mean or np.inf  # nothing is known yet
    yield {name: min(1.0, ratio(t) * mean / norms[t]) * np.float64(a) for name, a in g.items()}


@pytest.mark.parametrize("ratio", [1.0, lambda step: 0.5 + 0.25 * step])
@pytest.mark.parametrize("decay", [0.0, 0.9])
def test_a_gradient_is_clipped_to_the_mean_norm_before_it(ratio, decay):
  rng = np.random.default_rng(0)
  gradients = [
    {"a": np.float32(size * rng.normal(size=(3, 2))), "b": np.float32(rng.normal(size=4))}
    for size in (1, 5, 0.1, 0, 3, 3, 40, 1)
  ]
  updates, _ = run(grokfax.clip_by_mean_norm(ratio, decay), gradients)
  of = ratio if callable(ratio) else lambda _: ratio
  for found, expected in zip(updates, clipped(gradients, of, decay), strict=True):
    for name in found:
      np.testing.assert_allclose(found[name], expected[name], rtol=1e-5)


def test_below_the_mean_a_gradient_is_left_alone_to_the_bit():
  gradients = [*np.random.default_rng(1).normal(size=(4, 5)).astype(np.float32)]
  np.testing.assert_array_equal(run(grokfax.clip_by_mean_norm(100.0), gradients)[0], gradients)


def test_zeros_and_then_a_gradient():
  """A mean of 0 says nothing; what follows is clipped to a mean with the zeros in it."""
  gradients = [jnp.asarray(g) for g in ([0.0, 0.0], [3.0, 4.0], [3.0, 4.0])]
  found, _ = run(grokfax.clip_by_mean_norm(decay=0.5), gradients)
  np.testing.assert_allclose(np.linalg.norm(found, axis=1), [0, 5, 5 * 2 / 3], rtol=1e-6)


@pytest.mark.parametrize("bad", [jnp.nan, jnp.inf, 1e30])
def test_a_norm_that_is_not_finite_is_not_in_the_mean(bad):
  """1e30 is finite, its square is not. The update of that step is what the caller guards."""
  gradients = [jnp.asarray(g) for g in ([3.0, 4.0], [bad, 0.0], [30.0, 40.0])]
  updates, states = run(grokfax.clip_by_mean_norm(), gradients)
  np.testing.assert_allclose(updates[-1], [3, 4], rtol=1e-6)
  assert np.isfinite([state.mean_norm for state in states]).all()


def test_a_norm_that_float16_cannot_hold():
  """Its square is above the largest float16, 65504."""
  tx, g = grokfax.clip_by_mean_norm(), jnp.full(100, 300.0, jnp.float16)
  _, state = tx.update(g, tx.init(g))
  found, state = tx.update(2 * g, state)
  assert found.dtype == jnp.float16
  np.testing.assert_array_equal(found, g)
  np.testing.assert_allclose(state.mean_norm, 0.9 * 300 + 0.1 * 6000, rtol=1e-6)


def test_a_clip_wants_its_own_state():
  with pytest.raises(ValueError, match="must be a MeanNormState"):
    grokfax.clip_by_mean_norm().update(jnp.ones(2), optax.EmptyState())


def test_a_missing_gradient_has_no_part_in_the_norm():
  params = {"a": jnp.zeros(2), "b": jnp.zeros(3)}
  gradients = [{"a": jnp.asarray(g), "b": None} for g in ([3.0, 4.0], [6.0, 8.0])]
  updates, _ = run(grokfax.clip_by_mean_norm(), gradients, params)
  np.testing.assert_allclose([u["a"] for u in updates], [[3, 4], [3, 4]], rtol=1e-6)
  assert all(u["b"] is None for u in updates)
