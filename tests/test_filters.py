"""What is the filters' own; the rest is in the contract and the recordings."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

import grokfax
from tests.helpers import butterworth, filtered, run, scanned, x64


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


@settings(max_examples=25)
@given(
  seed=st.integers(0, 2**32 - 1),
  window_size=st.integers(1, 12),
  lamb=st.floats(0, 10),
  filter_type=st.sampled_from(["mean", "sum"]),
  warmup=st.booleans(),
)
def test_ma_is_the_direct_average(seed, window_size, lamb, filter_type, warmup):
  g = np.random.default_rng(seed).normal(size=(40, 2))
  with x64():
    tx = grokfax.grokfast_ma(window_size, lamb, filter_type=filter_type, warmup=warmup)
    ours = filtered(tx, g)
  theirs = direct_ma(g, window_size, lamb, filter_type, warmup)
  np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12 * (1 + lamb * window_size))


@given(seed=st.integers(0, 2**32 - 1), alpha=st.floats(0, 0.999), lamb=st.floats(0, 10))
def test_ema_is_the_recursion(seed, alpha, lamb):
  g = np.random.default_rng(seed).normal(size=(30, 2))
  with x64():
    ours = filtered(grokfax.grokfast_ema(alpha, lamb), g)
  mu = g[0]
  for t in range(len(g)):
    mu = alpha * mu + (1 - alpha) * g[t]
    np.testing.assert_allclose(ours[t], g[t] + lamb * mu, rtol=0, atol=1e-11)


def test_ma_does_not_drift():
  """100,000 steps in float32, gradients falling from 1 to 1e-8: 1e-5 of the window's mean |g|."""
  steps, window_size, lamb = 100_000, 100, 1e3
  scale = np.logspace(0, -8, steps)[:, None]
  g = (np.random.default_rng(0).normal(size=(steps, 4)) * scale).astype(np.float32)
  ours = (filtered(grokfax.grokfast_ma(window_size, lamb), g).astype(np.float64) - g) / lamb

  windows = np.lib.stride_tricks.sliding_window_view(g.astype(np.float64), window_size, axis=0)
  error = np.abs(ours[window_size - 1 :] - windows.mean(-1))
  assert np.all(error <= 1e-5 * np.abs(windows).mean(-1))


@settings(max_examples=20)
@given(bad_step=st.integers(0, 25), window_size=st.integers(1, 8))
def test_a_nan_is_gone_two_windows_later(bad_step, window_size):
  g = np.random.default_rng(bad_step).normal(size=(60, 3)).astype(np.float32)
  bad = g.copy()
  bad[bad_step, 0] = np.nan
  bad[bad_step, 1] = np.inf
  tx = grokfax.grokfast_ma(window_size)
  clean, _ = scanned(tx, jnp.asarray(g))
  ours, states = scanned(tx, jnp.asarray(bad))
  gone = bad_step + 2 * window_size
  assert all(np.isfinite(leaf[gone:]).all() for leaf in jax.tree.leaves(states))
  np.testing.assert_allclose(ours[gone:], clean[gone:], rtol=1e-5, atol=1e-5)
  np.testing.assert_array_equal(ours[:bad_step], clean[:bad_step])


def test_the_state_does_not_alias_the_first_gradient():
  """A port whose average is the first gradient itself changes with it, or cannot be donated."""
  tx = grokfax.grokfast_ema()
  g = {"w": jnp.ones(1000)}
  _, state = jax.jit(tx.update)(g, tx.init(g))
  assert state.slow_gradient["w"].unsafe_buffer_pointer() != g["w"].unsafe_buffer_pointer()


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

  The gradients are narrow, and so is the
  window; what comes out is asked for in float32, for the average times 1,000 to be seen.
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
  """A window keeps the parameters' dtype; all else is in the accumulator's."""
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
          assert dtypes == (own if field == "window" else expected), (field, dtype)


FILTERS_WITHOUT_GAIN = {
  "ema": functools.partial(grokfax.grokfast_ema, lamb=0.0),
  "multiscale": functools.partial(grokfax.grokfast_multiscale, (0.5, 0.9), (0.0, 0.0)),
  "ma": functools.partial(grokfax.grokfast_ma, lamb=0.0),
  "fir": functools.partial(grokfax.grokfast_fir, [0.5, 0.25], 0.0),
  "iir": functools.partial(grokfax.grokfast_iir, [0.5], [1, -0.5], 0.0),
}


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("accumulator", ["float16", "bfloat16", "float32", None])
@pytest.mark.parametrize("make", FILTERS_WITHOUT_GAIN.values(), ids=FILTERS_WITHOUT_GAIN.keys())
def test_what_is_added_to_is_the_gradient_itself(make, accumulator, dtype):
  """With lamb = 0 nothing is lost, however narrow the accumulator."""
  g = [jnp.asarray([1.2345678, 1e-9, 1e4], dtype)] * 2
  updates, _ = run(make(accumulator_dtype=accumulator), g)
  np.testing.assert_array_equal(np.stack(updates), np.stack(g))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_window_forgets_what_it_rounded(dtype):
  """What leaves the sum is what came in, though it be rounded, or too small for normal numbers.

  Float32 gradients of narrow parameters, one member of a `vmap` with such that must be rounded,
  one with subnormal ones.
  """
  values = jnp.asarray([1.003, 1e-5])
  tx = grokfax.grokfast_ma(4, lamb=1.0)

  def train(value):
    def step(state, g):
      u, state = tx.update(g, state)
      return state, u

    g = jnp.concatenate([jnp.full((9, 1), value), jnp.zeros((9, 1))])
    return jax.lax.scan(step, tx.init(jnp.zeros(1, dtype)), g)[1]

  updates = jax.jit(jax.vmap(train))(values)
  for update, value in zip(updates[..., 0], values, strict=True):
    kept = value.astype(dtype).astype(jnp.float32)
    assert kept != value
    np.testing.assert_allclose(update[3:9], value + kept, rtol=1e-6)
    np.testing.assert_array_equal(update[13:], 0)


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
  np.testing.assert_allclose(updates[-1], 0.5 * 1001, rtol=1e-2 if name != "iir" else 1)
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


@settings(max_examples=10)
@given(bad_step=st.integers(0, 15), size=st.integers(1, 8))
def test_a_nan_leaves_a_fir_filter_with_the_window(bad_step, size):
  g = np.random.default_rng(bad_step).normal(size=(30, 1)).astype(np.float32)
  bad = g.copy()
  bad[bad_step] = np.nan
  tx = grokfax.grokfast_fir(np.linspace(1, 2, size))
  ours, clean = filtered(tx, bad), filtered(tx, g)
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
