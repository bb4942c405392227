"""A window at a fraction of its memory: sums of blocks, and gradients that are rounded."""

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import grokfax
from tests.helpers import filtered, run, scanned, x64


def weights_at(t, window_size, blocks):
  """The documented weights in the step t, of the newest gradient first."""
  block = window_size // blocks
  newest = t % block + 1
  return np.array([1.0] * (window_size - block + newest) + [1 - newest / block] * block)


def direct_block_ma(g, window_size, blocks, lamb, filter_type, warmup):
  """The documented average in float64, taken anew at each step from all gradients."""
  out = np.array(g, np.float64)
  for t in range(len(g)):
    if warmup and t + 1 < window_size:
      continue
    weights = weights_at(t, window_size, blocks)[: t + 1]
    past = np.asarray(g[t - len(weights) + 1 : t + 1], np.float64)[::-1]
    total = np.tensordot(weights, past, 1)
    out[t] += lamb * (total if filter_type == "sum" else total / weights.sum())
  return out


@pytest.mark.parametrize(
  ("window_size", "blocks", "filter_type", "warmup"),
  [
    (12, 4, "mean", True),
    (12, 3, "mean", False),
    (12, 6, "sum", True),
    (8, 1, "mean", False),
    (5, 5, "mean", True),
  ],
)
def test_blocks_are_the_documented_average(window_size, blocks, filter_type, warmup):
  def make(lamb):
    return grokfax.grokfast_ma(
      window_size, lamb, blocks=blocks, filter_type=filter_type, warmup=warmup
    )

  apply = jax.jit(lambda lamb, g: scanned(make(lamb), g)[0])

  @settings(max_examples=20)
  @given(seed=st.integers(0, 2**32 - 1), lamb=st.floats(0, 10))
  def check(seed, lamb):
    g = np.random.default_rng(seed).normal(size=(60, 2))
    with x64():
      ours = apply(lamb, g)
    theirs = direct_block_ma(g, window_size, blocks, lamb, filter_type, warmup)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12 * (1 + lamb * window_size))

  check()


def test_blocks_of_one_gradient_are_the_full_window():
  g = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
  full = filtered(grokfax.grokfast_ma(6), g)
  np.testing.assert_allclose(filtered(grokfax.grokfast_ma(6, blocks=6), g), full, atol=1e-5)


def test_the_mean_age_is_that_of_the_full_window():
  """Within w/(8B²) of a step; the weights are w together."""
  for t in range(200, 220):
    weights = weights_at(t, 100, 10)
    assert weights.sum() == pytest.approx(100)
    age = np.average(np.arange(len(weights)), weights=weights)
    assert age + 1e-9 >= 49.5
    assert age <= 49.5 + 100 / (8 * 10**2) + 1e-9


def test_a_constant_gradient_has_the_gain_of_the_full_window():
  update = filtered(grokfax.grokfast_ma(20, 5.0, blocks=4), np.ones((100, 1), np.float32))
  np.testing.assert_allclose(update[19:], 6.0, rtol=1e-6)


@pytest.mark.parametrize(("window_size", "blocks"), [(8, 2), (6, 3), (5, 1)])
def test_a_nan_is_gone_two_rings_later(window_size, blocks):
  g = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
  apply = jax.jit(lambda g: scanned(grokfax.grokfast_ma(window_size, blocks=blocks), g))
  clean = np.asarray(apply(g)[0])
  for bad_step in range(26):
    bad = g.copy()
    bad[bad_step, :2] = np.nan, np.inf
    ours, states = jax.tree.map(np.asarray, apply(bad))
    gone = bad_step + 2 * (window_size + window_size // blocks)
    assert all(np.isfinite(leaf[gone:]).all() for leaf in jax.tree.leaves(states))
    np.testing.assert_allclose(ours[gone:], clean[gone:], rtol=1e-5, atol=1e-5)


def test_blocks_do_not_drift():
  """Large early gradients leave no rounding behind, and many steps build none up."""
  g = np.random.default_rng(1).normal(size=(20_000, 4)).astype(np.float32)
  g[:500] *= 1e6
  ours = filtered(grokfax.grokfast_ma(100, 5.0, blocks=10), g)[-200:]
  theirs = direct_block_ma(g, 100, 10, 5.0, "mean", True)[-200:]
  np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)


def test_what_it_holds():
  """B + 2 arrays for each parameter, block sums in the accumulator's dtype."""
  state = grokfax.grokfast_ma(100, blocks=10).init(jnp.zeros((3, 4), jnp.bfloat16))
  assert state.block_sums.shape == (11, 3, 4)
  assert state.block_sums.dtype == jnp.float32
  assert sum(leaf.size for leaf in jax.tree.leaves(state) if leaf.ndim) == 12 * 12


def test_a_state_of_another_number_of_blocks_is_refused():
  state = grokfax.grokfast_ma(12, blocks=3).init(jnp.zeros(2))
  with pytest.raises(ValueError, match=r"a window of 4 gradients .* the filter has one of 5"):
    grokfax.grokfast_ma(12, blocks=4).update(jnp.zeros(2), state)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_window_of_a_dtype_of_its_own(dtype):
  """The average of what was rounded; off by no more than is said."""
  g = np.random.default_rng(2).normal(size=(60, 50)).astype(np.float32)
  lamb, window_size = 1e3, 20
  tx = grokfax.grokfast_ma(window_size, lamb, window_dtype=dtype)
  slow = (filtered(tx, g).astype(np.float64) - g) / lamb
  rounded = g.astype({"bfloat16": ml_dtypes.bfloat16, "float16": np.float16}[dtype])
  windows, kept = (
    np.lib.stride_tricks.sliding_window_view(a.astype(np.float64), window_size, axis=0)
    for a in (g, rounded)
  )
  slow = slow[window_size - 1 :]
  np.testing.assert_allclose(slow, kept.mean(-1), rtol=0, atol=1e-6)
  error = np.abs(slow - windows.mean(-1))
  stated = {"bfloat16": 2.0**-9, "float16": 2.0**-11}[dtype]
  assert np.all(error <= 1.01 * stated * np.abs(windows).mean(-1))
  assert error.max() > stated / 30  # it was rounded


def test_what_a_window_of_a_dtype_of_its_own_holds():
  params = {"w": jnp.zeros(3), "c": jnp.zeros(3, jnp.complex64)}
  state = grokfax.grokfast_ma(4, window_dtype="float16").init(params)
  assert state.window["w"].dtype == jnp.float16
  assert state.window["c"].dtype == jnp.complex64
  assert state.recent_sum["w"].dtype == jnp.float32


def test_a_wider_window_than_the_parameters():
  """float32 gradients of bfloat16 parameters are kept as they came."""
  tx = grokfax.grokfast_ma(2, 1.0, window_dtype=jnp.float32)
  g = [jnp.float32(1.001), jnp.float32(1.003)]
  updates, _ = run(tx, g, jnp.zeros([], jnp.bfloat16))
  np.testing.assert_allclose(updates[-1], 1.003 + 1.002, rtol=1e-6)
