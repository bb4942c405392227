"""What filters do to each frequency, against SciPy and the formulas."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.optimize
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

import grokfax
from grokfax import spectrum
from tests.helpers import butterworth, scanned, x64

LENGTH = 512
CONVENTIONS = ("delay", "cutoff", "decay")
BUTTERWORTH = butterworth(2, 0.1)

# A transformation and its (b, a) for the whole, g and the added part together.
FILTERS = {
  "ema": (grokfax.grokfast_ema(0.9, 2.0), ([1 + 2 * 0.1, -0.9], [1, -0.9])),
  "ma": (grokfax.grokfast_ma(7, 3.0), ([1 + 3 / 7, *[3 / 7] * 6], [1])),
  "ma_no_warmup": (
    grokfax.grokfast_ma(7, 3.0, warmup=False),
    ([1 + 3 / 7, *[3 / 7] * 6], [1]),
  ),
  "fir": (grokfax.grokfast_fir([0.5, -0.25, 0.125], 2.0), ([2.0, -0.5, 0.25], [1])),
  "iir": (
    grokfax.grokfast_iir(*BUTTERWORTH, 2.0),
    (BUTTERWORTH[1] + 2 * BUTTERWORTH[0], BUTTERWORTH[1]),
  ),
  "momentum": (optax.trace(0.9), ([1], [1, -0.9])),
  "chain": (
    optax.chain(grokfax.grokfast_ma(2, 1.0), optax.scale(-0.5)),
    ([-0.75, -0.25], [1]),
  ),
  "gated": (grokfax.gate(optax.scale(3.0), grokfax.from_step(100)), ([3.0], [1])),
}


@pytest.mark.parametrize("name", FILTERS)
def test_impulse_and_frequency_response_are_scipys(name):
  tx, (b, a) = FILTERS[name]
  impulse = np.zeros(LENGTH)
  impulse[0] = 1
  with x64():
    h = spectrum.impulse_response(tx, LENGTH, settle=200)
    omega, response = spectrum.frequency_response(tx, LENGTH, settle=200)
  np.testing.assert_allclose(h, scipy.signal.lfilter(b, a, impulse), atol=1e-12)
  w, expected = scipy.signal.freqz(b, a, worN=LENGTH // 2 + 1, include_nyquist=True)
  np.testing.assert_allclose(omega, w, atol=1e-12)
  np.testing.assert_allclose(response, expected, atol=1e-8)


def test_the_start_does_not_show():
  """A filter that starts from the first gradient, or warms up, has settled by then."""
  ema = spectrum.impulse_response(grokfax.grokfast_ema(0.5, 1.0), 3)
  np.testing.assert_allclose(ema, [1.5, 0.25, 0.125], rtol=1e-6)
  ma = spectrum.impulse_response(grokfax.grokfast_ma(300, 300.0), 3)
  np.testing.assert_allclose(ma, [2, 1, 1], rtol=1e-6)
  unsettled = spectrum.impulse_response(grokfax.grokfast_ema(0.5, 1.0), 3, settle=0)
  assert unsettled[0] == 2.0


def test_a_window_longer_than_the_usual_settling_has_settled_too():
  gain = spectrum.gain(grokfax.grokfast_ma(12_000, 5.0), 0.0, 12_000)
  assert gain == pytest.approx(6, rel=1e-3)


def test_metrics_reach_the_gates():
  tx = grokfax.gate(optax.scale(2.0), grokfax.metric_at_least("train_accuracy", 0.5))
  assert spectrum.impulse_response(tx, 2, train_accuracy=1.0)[0] == 2.0
  assert spectrum.impulse_response(tx, 2, train_accuracy=0.0)[0] == 1.0


@settings(max_examples=10)  # each compiles
@given(st.floats(0, 0.95), st.floats(0, 5))
def test_gains_of_the_ema_at_0_and_pi(alpha, lamb):
  at_0, at_pi = spectrum.gain(grokfax.grokfast_ema(alpha, lamb), [0, np.pi], LENGTH, settle=1)
  assert at_0 == pytest.approx(1 + lamb, rel=1e-4)
  assert at_pi == pytest.approx(1 + lamb * (1 - alpha) / (1 + alpha), rel=1e-4)


@pytest.mark.parametrize("window", [1, 2, 7, 100])
def test_gains_of_the_ma_at_0_and_pi(window):
  at_0, at_pi = spectrum.gain(grokfax.grokfast_ma(window, 5.0), [0, np.pi], LENGTH, settle=100)
  assert at_0 == pytest.approx(6, rel=1e-5)
  assert at_pi == pytest.approx(1 + (5 / window if window % 2 else 0), rel=1e-5)


def ema_power(alpha, omega):
  return abs((1 - alpha) / (1 - alpha * np.exp(-1j * omega))) ** 2


def ma_power(window, omega):
  return abs(np.exp(-1j * omega * np.arange(window)).mean()) ** 2


def half_of(power, high):
  return scipy.optimize.brentq(lambda omega: power(omega) - 0.5, 1e-9, high)


@pytest.mark.parametrize("lamb", [0.1, 5.0])
def test_half_power_cutoff(lamb):
  ema = spectrum.half_power_cutoff(grokfax.grokfast_ema(0.9, lamb), 400)
  assert ema == pytest.approx(half_of(lambda o: ema_power(0.9, o), np.pi), rel=1e-4)
  ma = spectrum.half_power_cutoff(grokfax.grokfast_ma(20, lamb), 400)
  assert ma == pytest.approx(half_of(lambda o: ma_power(20, o), 2 * np.pi / 20), rel=1e-4)
  butterworth = spectrum.half_power_cutoff(grokfax.grokfast_iir(*BUTTERWORTH, lamb), 400)
  assert butterworth == pytest.approx(0.1 * np.pi, rel=1e-4)  # as it was designed


def test_no_cutoff():
  with pytest.raises(ValueError, match="nowhere falls to half its power"):
    spectrum.half_power_cutoff(grokfax.grokfast_ma(1), 64)
  with pytest.raises(ValueError, match="adds nothing to a constant gradient"):
    spectrum.half_power_cutoff(optax.identity(), 64)


@pytest.mark.parametrize("window", [2, 5, 20, 100, 1000])
def test_conventions(window):
  """Each makes equal what it names."""
  by = {c: spectrum.alpha_from_window(window, c) for c in CONVENTIONS}
  mean_age = by["delay"] / (1 - by["delay"])
  assert mean_age == pytest.approx((window - 1) / 2)
  omega = half_of(lambda o: ma_power(window, o), min(np.pi, 2 * np.pi / window))
  assert ema_power(by["cutoff"], omega) == pytest.approx(0.5, rel=1e-9)
  assert by["decay"] ** window == pytest.approx(0.1)


@given(st.floats(2, 1e8), st.sampled_from(CONVENTIONS))
def test_window_and_alpha_are_inverse(window, convention):
  alpha = spectrum.alpha_from_window(window, convention)
  assert 0 < alpha < 1
  assert spectrum.window_from_alpha(alpha, convention) == pytest.approx(window, rel=1e-6)


@pytest.mark.parametrize("n", [1.5, 10, 100, 1000])
def test_the_faqs_recipe(n):
  design = spectrum.design_for_delay(n)
  assert design.alpha**n == pytest.approx(0.1)
  assert design.window_size == pytest.approx(n, abs=0.5)
  assert design.weight_decay_factors == (2, 5, 10)
  grokfax.grokfast_ema(design.alpha, design.lambs[1])
  grokfax.grokfast_ma(design.window_size, design.lambs[0])
  assert round(spectrum.design_for_delay(100).alpha, 3) == 0.977


TX = grokfax.grokfast_ema()
BAD = {
  "tail": (
    lambda: spectrum.half_power_cutoff(grokfax.grokfast_ema(0.98, 1.0), 100),
    "has not died down after 100 steps: take a larger length",
  ),
  "tail of a window": (
    lambda: spectrum.gain(grokfax.grokfast_ma(100), 0.0, 99),
    "has not died down after 99 steps",
  ),
  "alpha decay": (
    lambda: spectrum.window_from_alpha(0.1, "decay"),
    r"alpha must be a number in \(0.1, 1\)",
  ),
  "length": (lambda: spectrum.impulse_response(TX, 0), "length must be a Python int >= 1"),
  "length float": (lambda: spectrum.gain(TX, 0.0, 10.0), "length must be a Python int >= 1"),
  "settle": (
    lambda: spectrum.impulse_response(TX, 3, settle=-1),
    "settle must be a Python int >= 0",
  ),
  "window": (lambda: spectrum.alpha_from_window(1), "window must be a finite number > 1"),
  "window text": (lambda: spectrum.alpha_from_window("9"), "window must be a finite number > 1"),
  "window short": (lambda: spectrum.alpha_from_window(1.01, "cutoff"), "nowhere falls to half"),
  "alpha": (lambda: spectrum.window_from_alpha(1.0), r"alpha must be a number in \(0, 1\)"),
  "alpha short": (lambda: spectrum.window_from_alpha(0.17, "cutoff"), "nowhere falls to half"),
  "convention": (
    lambda: spectrum.alpha_from_window(9, "span"),
    "convention must be one of 'delay', 'cutoff', 'decay'; got 'span'",
  ),
  "n": (lambda: spectrum.design_for_delay(math.inf), "n must be a finite number > 1"),
}


@pytest.mark.parametrize(("call", "message"), BAD.values(), ids=BAD.keys())
def test_bad_argument(call, message):
  with pytest.raises(ValueError, match=message) as error:
    call()
  assert "\n" not in str(error.value)


@pytest.mark.parametrize(("alpha", "steps"), [(0.98, 500), (0.9, 7.5), (0.9999, 10_000)])
def test_a_half_life_grows_linearly(alpha, steps):
  """Measured: after how many steps an average with that α has half of an impulse left."""
  schedule = jax.jit(spectrum.half_life_warmup(alpha, steps))
  whole = np.log(0.5) / np.log(alpha)
  for share in (0.1, 0.25, 0.5, 1.0, 3.0):
    step = share * steps
    half_life = np.log(0.5) / np.log(float(schedule(step)))
    np.testing.assert_allclose(half_life, min(share, 1) * whole, rtol=2e-3)
  assert float(schedule(0)) == 0
  assert float(schedule(10 * steps)) == np.float32(alpha)


def test_a_half_life_warmup_in_a_filter_and_traced():
  g = np.random.default_rng(0).normal(size=(30, 2))
  mu, alphas = g[0], [0.9 ** (20 / t) if t < 20 else 0.9 for t in range(1, 30)]
  expected = [g[0] + 2 * mu]
  for x, alpha in zip(g[1:], alphas, strict=True):
    mu = alpha * mu + (1 - alpha) * x
    expected.append(x + 2 * mu)

  @jax.jit
  def apply(alpha, steps, g):
    return scanned(grokfax.grokfast_ema(spectrum.half_life_warmup(alpha, steps), 2.0), g)[0]

  np.testing.assert_allclose(apply(0.9, 20.0, g.astype(np.float32)), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("momentum", [None, 0.9])
@pytest.mark.parametrize("name", ["ema", "ma"])
def test_plain_descent_at_the_matched_rate_goes_as_fast(name, momentum):
  """On a quadratic, at a rate so small that the filter's delay is short beside the way."""
  tx = {"ema": grokfax.grokfast_ema(0.9, 2.0), "ma": grokfax.grokfast_ma(20, 2.0, warmup=False)}[
    name
  ]
  rate = 1e-3 * (0.1 if momentum else 1)
  matched = spectrum.matched_learning_rate(tx, rate, 400)
  np.testing.assert_allclose(matched, 3 * rate, rtol=1e-5)
  curvature = jnp.asarray([1.0, 0.3])

  def end(optimizer):
    def step(carry, _):
      w, state = carry
      updates, state = optimizer.update(curvature * w, state, w)
      return (w + updates, state), None

    start = jnp.ones(2)
    return jax.lax.scan(step, (start, optimizer.init(start)), length=1_000)[0][0]

  filtered_end = end(optax.chain(tx, optax.sgd(rate, momentum)))
  np.testing.assert_allclose(filtered_end, end(optax.sgd(matched, momentum)), rtol=0, atol=0.01)
  assert np.all(np.abs(filtered_end - end(optax.sgd(rate, momentum))) > 0.1)


@pytest.mark.parametrize(
  ("call", "message"),
  [
    (lambda: spectrum.half_life_warmup(1.0, 10), r"alpha must be a number in \(0, 1\)"),
    (lambda: spectrum.half_life_warmup(0.9, 0), "steps must be a finite number >= 1"),
    (lambda: spectrum.matched_learning_rate(optax.identity(), 0, 8), "learning_rate must be"),
    (lambda: spectrum.matched_learning_rate(grokfax.grokfast_ema(), 0.1, 8), "length"),
  ],
)
def test_bad_arguments_of_both(call, message):
  with pytest.raises(ValueError, match=message):
    call()
