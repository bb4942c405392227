"""Norms of the parameters, against NumPy in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import grokfax
from tests.geometry.tools import once

BY_SCOPE = {
  "leaf": lambda params: [np.linalg.norm(np.asarray(p, np.float64)) for p in params.values()],
  "global": lambda params: [
    np.sqrt(sum(np.sum(np.asarray(p, np.float64) ** 2) for p in params.values()))
  ],
}


def trajectory(tx, seed=0, steps=6):
  """The parameters before and after each of some large updates, and the updates that came."""
  rng = np.random.default_rng(seed)
  params = {"a": jnp.asarray(rng.normal(size=(3, 4)), jnp.float32), "b": jnp.full((5,), 2.0)}
  state, update = tx.init(params), jax.jit(tx.update)
  seen, moved = [params], []
  for _ in range(steps):
    u = jax.tree.map(lambda p: jnp.asarray(rng.normal(size=p.shape), jnp.float32), params)
    moved.append(optax.apply_updates(params, u))
    updates, state = update(u, state, params)
    params = optax.apply_updates(params, updates)
    seen.append(params)
  return seen, moved


@pytest.mark.parametrize("scope", BY_SCOPE)
def test_the_norm_is_held(scope):
  norms = BY_SCOPE[scope]
  seen, moved = trajectory(grokfax.project_params_norm(0.7, scope=scope))
  start = np.asarray(norms(seen[0]))
  for params, free in zip(seen[1:], moved, strict=True):
    np.testing.assert_allclose(norms(params), 0.7 * start, rtol=1e-6)
    for name in params:  # along where the update led
      direction = np.vdot(params[name], free[name])
      size = np.linalg.norm(params[name]) * np.linalg.norm(free[name])
      np.testing.assert_allclose(direction, size, rtol=1e-6)


@pytest.mark.parametrize("scope", BY_SCOPE)
def test_the_norm_is_capped_and_never_raised(scope):
  norms = BY_SCOPE[scope]
  seen, moved = trajectory(grokfax.cap_params_norm(1.2, scope=scope), seed=1)
  start = np.asarray(norms(seen[0]))
  expected = [np.minimum(norms(free), 1.2 * start) for free in moved]
  np.testing.assert_allclose([norms(params) for params in seen[1:]], expected, rtol=1e-6)
  capped = np.asarray(expected) < [norms(free) for free in moved]
  assert capped.any()
  assert not capped.all()


def test_below_the_cap_an_update_is_left_alone_to_the_bit():
  tx, w, u = grokfax.cap_params_norm(10.0), jnp.asarray([1e3, 1.0]), jnp.asarray([1e-9, 0.1])
  np.testing.assert_array_equal(once(tx, u, w), u)


def test_parameters_that_start_at_0_pass():
  tx = grokfax.project_params_norm(0.5)
  params = {"bias": jnp.zeros(3), "w": jnp.asarray([6.0, 8.0])}
  updates = once(tx, {"bias": jnp.ones(3), "w": jnp.zeros(2)}, params)
  np.testing.assert_array_equal(updates["bias"], 1.0)
  np.testing.assert_allclose(updates["w"], [-3, -4], rtol=1e-6)


def test_a_ratio_that_is_a_schedule():
  tx = grokfax.project_params_norm(lambda step: 1.0 + step)
  w, g = jnp.asarray([3.0, 4.0]), jnp.zeros(2)
  state = tx.init(w)
  for step in range(3):
    updates, state = tx.update(g, state, w)
    w = w + updates
    np.testing.assert_allclose(jnp.linalg.norm(w), 5.0 * (1 + step), rtol=1e-6)


def test_a_norm_wants_its_own_state_and_the_parameters():
  tx, w = grokfax.project_params_norm(), jnp.ones(2)
  with pytest.raises(ValueError, match="must be a ParamsNormState"):
    tx.update(w, optax.EmptyState(), w)
  with pytest.raises(ValueError, match="the norm of the parameters needs them"):
    tx.update(w, tx.init(w))
