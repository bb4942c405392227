"""What is not lost on the way: narrow dtypes, rounding, what is not finite."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal

import grokfax
from tests.helpers import butterworth, filtered, on_cpu, run, scanned


def test_ma_does_not_drift():
  """100,000 steps in float32, gradients falling from 1 to 1e-8: 1e-5 of the window's mean |g|."""
  steps, window_size, lamb = 100_000, 100, 1e3
  scale = np.logspace(0, -8, steps)[:, None]
  g = (np.random.default_rng(0).normal(size=(steps, 4)) * scale).astype(np.float32)
  ours = (filtered(grokfax.grokfast_ma(window_size, lamb), g).astype(np.float64) - g) / lamb

  windows = np.lib.stride_tricks.sliding_window_view(g.astype(np.float64), window_size, axis=0)
  error = np.abs(ours[window_size - 1 :] - windows.mean(-1))
  assert np.all(error <= 1e-5 * np.abs(windows).mean(-1))


@pytest.mark.parametrize("window_size", [1, 2, 5, 8])
def test_a_nan_is_gone_two_windows_later(window_size):
  """Whatever the step that it comes in."""
  g = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
  apply = jax.jit(lambda g: scanned(grokfax.grokfast_ma(window_size), g))
  clean = np.asarray(apply(g)[0])
  for bad_step in range(26):
    bad = g.copy()
    bad[bad_step, 0] = np.nan
    bad[bad_step, 1] = np.inf
    ours, states = jax.tree.map(np.asarray, apply(bad))
    gone = bad_step + 2 * window_size
    assert all(np.isfinite(leaf[gone:]).all() for leaf in jax.tree.leaves(states))
    np.testing.assert_allclose(ours[gone:], clean[gone:], rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(ours[:bad_step], clean[:bad_step])


# Filters with a gain of 1 for a constant gradient, over time scales of 50 steps or less.
LOW_PASS = {
  "ema": lambda **dtype: grokfax.grokfast_ema(0.98, 1e3, **dtype),
  "multiscale": lambda **dtype: grokfax.grokfast_multiscale((0.98, 0.9), (5e2, 5e2), **dtype),
  "ma": lambda **dtype: grokfax.grokfast_ma(50, 1e3, **dtype),
  "fir": lambda **dtype: grokfax.grokfast_fir([1 / 50] * 50, 1e3, **dtype),
  "iir": lambda **dtype: grokfax.grokfast_iir([0.02], [1, -0.98], 1e3, **dtype),
}


@pytest.mark.parametrize("name", LOW_PASS)
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_narrow_gradients_are_accumulated_in_float32(name, dtype):
  """A stream that starts at zero and then is 1 reaches 1 within 1e-3.

  The gradients are narrow, and so is the window; what comes out is asked for in float32, for the
  average times 1,000 to be seen.
  """
  stream = jnp.concatenate([jnp.zeros((60, 1)), jnp.ones((2000, 1))]).astype(dtype)
  tx = LOW_PASS[name]()

  def step(state, g):
    _, after = tx.update(g, state)
    wide, _ = tx.update(g.astype(jnp.float32), state)
    return after, wide

  updates = jax.jit(lambda: jax.lax.scan(step, tx.init(stream[0]), stream)[1])()
  assert abs((updates[-1, 0] - 1) / 1e3 - 1) < 1e-3


def test_in_bfloat16_the_average_stalls():
  """The control: what the accumulator's dtype is for."""
  stream = jnp.concatenate([jnp.zeros((10, 1)), jnp.ones((2000, 1))]).astype(jnp.bfloat16)
  tx = grokfax.grokfast_ema(0.98, accumulator_dtype=jnp.bfloat16)
  states = jax.jit(lambda: scanned(tx, stream))()[1]
  assert states.slow_gradient[-1, 0] < 0.95


@pytest.mark.parametrize("name", LOW_PASS)
def test_accumulator_dtype_is_what_was_asked_for(name):
  """A window keeps the parameters' dtype, on a CPU bfloat16 in float32; a sum is as asked for."""
  params = {
    "narrow": jnp.zeros(3, jnp.bfloat16),
    "wide": jnp.zeros(3),
    "complex": jnp.zeros(3, "complex64"),
  }
  for dtype, expected in (
    (None, {"narrow": "float32", "wide": "float32", "complex": "complex64"}),
    ("bfloat16", {"narrow": "bfloat16", "wide": "bfloat16", "complex": "complex64"}),
  ):
    state = LOW_PASS[name](accumulator_dtype=dtype).init(params)
    for field, value in state._asdict().items():
      own = {key: leaf.dtype.name for key, leaf in params.items()}
      trees = value if isinstance(value, tuple) else (value,)
      for tree in trees:
        if isinstance(tree, dict):
          dtypes = {key: leaf.dtype.name for key, leaf in tree.items()}
          kept = {**own, "narrow": "float32" if on_cpu() else "bfloat16"}
          assert dtypes == (kept if field == "window" else expected), (field, dtype)


FILTERS_WITHOUT_GAIN = {
  "ema": functools.partial(grokfax.grokfast_ema, lamb=0.0),
  "multiscale": functools.partial(grokfax.grokfast_multiscale, (0.5, 0.9), (0.0, 0.0)),
  "ma": functools.partial(grokfax.grokfast_ma, lamb=0.0),
  "fir": functools.partial(grokfax.grokfast_fir, [0.5, 0.25], 0.0),
  "iir": functools.partial(grokfax.grokfast_iir, [0.5], [1, -0.5], 0.0),
}


@pytest.mark.parametrize("accumulator", ["float16", "bfloat16", "float32", None])
@pytest.mark.parametrize("make", FILTERS_WITHOUT_GAIN.values(), ids=FILTERS_WITHOUT_GAIN.keys())
def test_what_is_added_to_is_the_gradient_itself(make, accumulator):
  """With lamb = 0 nothing is lost, however narrow the accumulator."""
  dtypes = ("float16", "bfloat16", "float32")
  g = {dtype: np.asarray([1.2345678, 1e-9, 1e4], dtype) for dtype in dtypes}
  updates, _ = run(make(accumulator_dtype=accumulator), [jax.tree.map(jnp.asarray, g)] * 2)
  for update in updates:
    jax.tree.map(np.testing.assert_array_equal, update, g)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_window_forgets_what_it_rounded(dtype):
  """What leaves the sum is what came in, though it be rounded, or too small for normal numbers.

  Float32 gradients of narrow parameters, one member of a `vmap` with such that must be rounded,
  one with subnormal ones. On a CPU the ring of bfloat16 parameters is float32: it rounds nothing.
  """
  values = jnp.asarray([1.003, 1e-5])

  def train(value):
    g = jnp.concatenate([jnp.full((9, 1), value), jnp.zeros((9, 1))])
    return scanned(grokfax.grokfast_ma(4, lamb=1.0), g, jnp.zeros(1, dtype))[0]

  updates = jax.jit(jax.vmap(train))(values)
  for update, value in zip(updates[..., 0], values, strict=True):
    rounds = dtype == "float16" or not on_cpu()
    kept = value.astype(dtype).astype(jnp.float32) if rounds else value
    assert (kept != value) == rounds
    np.testing.assert_allclose(update[3:9], value + kept, rtol=1e-6)
    np.testing.assert_array_equal(update[13:], 0)


@pytest.mark.parametrize(
  "tx",
  [grokfax.grokfast_ma(4, 1.0), grokfax.grokfast_ema(0.5, grokfax.start_at(4, 1.0))],
  ids=["warm-up", "two-stage"],
)
def test_a_gain_of_zero_adds_nothing_to_what_is_finite(tx):
  """After an infinite gradient, such as dynamic loss scaling begins with."""
  g = np.ones((4, 1), np.float32)
  g[0] = np.inf
  np.testing.assert_array_equal(filtered(tx, g)[:3], g[:3])


@pytest.mark.parametrize("name", LOW_PASS)
def test_integer_parameters(name):
  """Their gradients come as floats, and are not cut off."""
  tx = LOW_PASS[name]()
  g = [jnp.asarray([0.5])] * 60
  updates, states = run(tx, g, jnp.zeros(1, jnp.int32))
  expected, _ = run(tx, g, jnp.zeros(1))
  np.testing.assert_allclose(np.stack(updates), np.stack(expected), rtol=1e-6)
  assert all(leaf.dtype != jnp.int32 for leaf in jax.tree.leaves(states[-1]) if leaf.ndim)


def test_weakly_typed_parameters_compile_once():
  params = jnp.asarray(1.0)
  assert params.aval.weak_type
  for make in LOW_PASS.values():
    tx = make()
    update = jax.jit(tx.update)
    _, state = update(params, tx.init(params))
    update(params, state)
    assert update._cache_size() == 1


@pytest.mark.parametrize("size", [1, 2, 5, 8])
def test_a_nan_leaves_a_fir_filter_with_the_window(size):
  g = np.random.default_rng(0).normal(size=(30, 1)).astype(np.float32)
  apply = jax.jit(lambda g: scanned(grokfax.grokfast_fir(np.linspace(1, 2, size)), g)[0])
  clean = np.asarray(apply(g))
  for bad_step in range(16):
    bad = g.copy()
    bad[bad_step] = np.nan
    ours = np.asarray(apply(bad))
    since = np.arange(30) - bad_step
    np.testing.assert_array_equal(np.isnan(ours[:, 0]), (since >= 0) & (since < size))
    np.testing.assert_allclose(ours[bad_step + size :], clean[bad_step + size :], rtol=1e-5)


def test_butterworth_in_float32():
  """The docstring's figures, against SciPy in float64: four digits at order 2, none at order 4."""
  g = np.random.default_rng(0).normal(size=(20_000, 2)).astype(np.float32)

  def relative_error(order):
    b, a = butterworth(order, 0.01)
    # The gain lets the small filtered part be seen beside the gradient.
    ours = filtered(grokfax.grokfast_iir(b, a, 1e3), g) / 1e3
    expected = scipy.signal.lfilter(b, a, g.astype(np.float64), axis=0) + g / 1e3
    return np.abs(ours - expected).max() / np.abs(expected).max()

  assert relative_error(2) < 1e-4
  assert 0.05 < relative_error(4) < 1
