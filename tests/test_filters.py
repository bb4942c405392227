"""What filters compute, and from which settings; the rest is in the contract and the recordings."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import grokfax
from tests.helpers import filtered, run, scanned, x64


def direct_ma(g, window_size, lamb, filter_type, warmup):
  """The definition, in float64: the sum over each window, taken anew each time."""
  out = np.array(g, np.float64)
  for t in range(len(g)):
    window = np.asarray(g[max(0, t - window_size + 1) : t + 1], np.float64)
    if warmup and len(window) < window_size:
      continue
    slow = window.sum(0) if filter_type == "sum" else window.mean(0)
    out[t] += lamb * slow
  return out


@pytest.mark.parametrize(
  ("window_size", "filter_type", "warmup"),
  [
    (1, "mean", True),
    (2, "sum", False),
    (3, "mean", False),
    (7, "sum", True),
    (12, "mean", True),
    (12, "mean", False),
  ],
)
def test_ma_is_the_direct_average(window_size, filter_type, warmup):
  make = functools.partial(grokfax.grokfast_ma, window_size, filter_type=filter_type, warmup=warmup)
  apply = jax.jit(lambda lamb, g: scanned(make(lamb), g)[0])

  @settings(max_examples=20)
  @given(seed=st.integers(0, 2**32 - 1), lamb=st.floats(0, 10))
  def check(seed, lamb):
    g = np.random.default_rng(seed).normal(size=(40, 2))
    with x64():
      ours = apply(lamb, g)
    theirs = direct_ma(g, window_size, lamb, filter_type, warmup)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12 * (1 + lamb * window_size))

  check()


EMA = jax.jit(lambda alpha, lamb, g: scanned(grokfax.grokfast_ema(alpha, lamb), g)[0])


@given(seed=st.integers(0, 2**32 - 1), alpha=st.floats(0, 0.999), lamb=st.floats(0, 10))
def test_ema_is_the_recursion(seed, alpha, lamb):
  g = np.random.default_rng(seed).normal(size=(30, 2))
  with x64():
    ours = np.asarray(EMA(alpha, lamb, g))
  mu = g[0]
  for t in range(len(g)):
    mu = alpha * mu + (1 - alpha) * g[t]
    np.testing.assert_allclose(ours[t], g[t] + lamb * mu, rtol=0, atol=1e-11)


def test_the_state_does_not_alias_the_first_gradient():
  """A port whose average is the first gradient itself changes with it, or cannot be donated."""
  tx = grokfax.grokfast_ema()
  g = {"w": jnp.ones(1000)}
  _, state = jax.jit(tx.update)(g, tx.init(g))
  assert state.slow_gradient["w"].unsafe_buffer_pointer() != g["w"].unsafe_buffer_pointer()


@pytest.mark.parametrize("name", ["ma", "fir"])
def test_a_window_takes_a_missing_gradient_for_zero(name):
  tx = {"ma": grokfax.grokfast_ma(3, 1.0), "fir": grokfax.grokfast_fir([1 / 3] * 3)}[name]
  g = [jnp.asarray([float(t)]) for t in (9, 6, 3, 12, 6, 3, 9, 0, 3, 6, 9)]
  missing = {2, 3, 7}
  holey, _ = run(tx, [None if t in missing else x for t, x in enumerate(g)], g[0], jit=False)
  zeros, _ = run(tx, [0 * x if t in missing else x for t, x in enumerate(g)])
  for t, (u, v) in enumerate(zip(holey, zeros, strict=True)):
    assert (u is None) == (t in missing)
    if u is not None:
      np.testing.assert_allclose(u, v, rtol=1e-6)


def test_schedules_are_functions_of_the_step_counted_from_0():
  seen = []

  def lamb(step):
    seen.append(int(step))
    return 1.0

  makers = {
    "ema": lambda: grokfax.grokfast_ema(0.9, lamb),
    "alpha": lambda: grokfax.grokfast_ema(lambda step: 0.5 * lamb(step)),
    "multiscale": lambda: grokfax.grokfast_multiscale([0.9], [lamb]),
    "alphas": lambda: grokfax.grokfast_multiscale([lambda step: 0.5 * lamb(step)], [1.0]),
    "ma": lambda: grokfax.grokfast_ma(2, lamb),
    "fir": lambda: grokfax.grokfast_fir([1.0], lamb),
    "iir": lambda: grokfax.grokfast_iir([1.0], [1.0], lamb),
  }
  for name, make in makers.items():
    seen.clear()
    run(make(), [jnp.ones(1)] * 3, jit=False)
    assert seen == [0, 1, 2], name
  g = np.arange(1, 7, dtype=np.float32)[:, None]
  two_stage = filtered(grokfax.grokfast_ma(2, grokfax.start_at(3, 1.0)), g)
  whole = filtered(grokfax.grokfast_ma(2, 1.0), g)
  np.testing.assert_allclose(two_stage, np.concatenate([g[:3], whole[3:]]))


def test_hyperparameters_may_be_traced():
  """In a jitted sweep, and injected; the numbers are those of the plain filter."""
  g = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
  alphas, lambs = jnp.asarray([0.5, 0.9]), jnp.asarray([1.0, 3.0])
  swept = jax.jit(
    jax.vmap(lambda *settings: scanned(grokfax.grokfast_ema(*settings), jnp.asarray(g))[0])
  )
  for ours, alpha, lamb in zip(swept(alphas, lambs), (0.5, 0.9), (1.0, 3.0), strict=True):
    np.testing.assert_allclose(ours, filtered(grokfax.grokfast_ema(alpha, lamb), g), rtol=1e-5)

  injected = optax.inject_hyperparams(grokfax.grokfast_ema)(alpha=0.9, lamb=2.0)
  np.testing.assert_allclose(
    filtered(injected, g), filtered(grokfax.grokfast_ema(0.9, 2.0), g), rtol=1e-5
  )
  injected = optax.inject_hyperparams(grokfax.grokfast_ma, static_args="window_size")(4, lamb=2.0)
  np.testing.assert_allclose(
    filtered(injected, g), filtered(grokfax.grokfast_ma(4, 2.0), g), rtol=1e-5
  )


def test_coefficients_may_be_traced():
  """Of a FIR and an IIR filter, their number being static; in a sweep over them."""
  g = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
  taps = jnp.asarray([[1.0, 0.5], [0.2, -0.2]])
  swept = jax.jit(jax.vmap(lambda h: scanned(grokfax.grokfast_fir(h), jnp.asarray(g))[0]))(taps)
  for ours, h in zip(swept, np.asarray(taps), strict=True):
    np.testing.assert_allclose(ours, filtered(grokfax.grokfast_fir(h), g), rtol=1e-5, atol=1e-6)

  def ema(alpha):
    b, a = jnp.stack([1 - alpha]), jnp.stack([jnp.ones([]), -alpha])
    return scanned(grokfax.grokfast_iir(b, a, initial="first_gradient"), jnp.asarray(g))[0]

  alphas = jnp.asarray([0.5, 0.9])
  for ours, alpha in zip(jax.jit(jax.vmap(ema))(alphas), (0.5, 0.9), strict=True):
    np.testing.assert_allclose(ours, filtered(grokfax.grokfast_ema(alpha, 1.0), g), rtol=1e-5)
