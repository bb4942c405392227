"""What is true of every linear filter, by Hypothesis; of streams that begin with zeros.

A start from the first gradient, or a warm-up, is linear but not time-invariant. After as many zeros
as the case says (`settles`) it is over, and a filter is linear and time-invariant.
"""

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
from tests.cases import FILTERS
from tests.helpers import scanned, x64

SEEDS = st.integers(0, 2**32 - 1)
STEPS = 24


@pytest.fixture(params=FILTERS.values(), ids=FILTERS.keys(), scope="module")
def case(request):
  return request.param


def stream(seed, zeros=0):
  """Gradients of two numbers, the first `zeros` of them 0."""
  g = np.random.default_rng(seed).normal(size=(STEPS, 2))
  return np.concatenate([np.zeros((zeros, 2)), g])


def compiled(make):
  """The response of `make(*settings)` to a stream, in float64, compiled once for all examples."""
  function = jax.jit(lambda g, *settings: scanned(make(*settings), g)[0])

  def call(g, *settings):
    with x64():
      return np.asarray(function(jnp.asarray(g), *settings))

  return call


def assert_same(ours, theirs):
  np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)


def test_linearity(case):
  apply = compiled(case.make)

  @given(SEEDS, SEEDS, st.floats(-3, 3), st.floats(-3, 3))
  def check(seed, other, a, b):
    g, h = stream(seed), stream(other)
    assert_same(apply(a * g + b * h), a * apply(g) + b * apply(h))

  check()


def test_a_complex_gradient_is_filtered_in_both_its_parts(case):
  apply = compiled(case.make)
  g, h = stream(0), stream(1)
  assert_same(apply(g + 1j * h), apply(g) + 1j * apply(h))


def test_time_invariance(case):
  """Later by some steps in, later by as many out."""
  apply = compiled(case.make)

  @given(SEEDS, st.integers(1, 10))
  def check(seed, delay):
    g = stream(seed, zeros=case.settles + 10)
    late = np.roll(g, delay, axis=0)
    late[:delay] = 0
    assert_same(apply(late)[delay:], apply(g)[:-delay])

  check()


def test_scale_equivariance(case):
  """Over many orders of magnitude, in float32: powers of 2 lose nothing."""
  tx = case.make()
  apply = jax.jit(lambda g: scanned(tx, g)[0])

  @given(SEEDS, st.integers(-40, 40))
  def check(seed, exponent):
    g, scale = stream(seed).astype(np.float32), np.float32(2.0**exponent)
    np.testing.assert_allclose(apply(g * scale), np.asarray(apply(g)) * scale, rtol=1e-6)

  check()


def test_leaves_do_not_see_each_other(case):
  """The same leaves in another order: the same updates in that order."""
  leaves = np.stack([stream(seed) for seed in range(4)])
  tx = case.make()
  apply = jax.jit(lambda leaves: scanned(tx, list(leaves))[0])
  plain = np.stack(apply(leaves))

  @given(st.permutations(range(4)))
  def check(order):
    shuffled = np.stack(apply(leaves[list(order)]))
    np.testing.assert_allclose(shuffled, plain[list(order)], rtol=1e-5, atol=1e-6)

  check()


LINEAR_OPTIMIZERS = {
  "sgd": lambda: optax.sgd(0.1),
  "momentum": lambda: optax.sgd(0.1, momentum=0.9),
  "nesterov": lambda: optax.sgd(0.1, momentum=0.9, nesterov=True),
}


# Each filter once, and each optimizer.
PAIRS = [*((name, "nesterov") for name in FILTERS), ("ema_slow", "sgd"), ("ma", "momentum")]


@pytest.mark.parametrize(("filter_", "optimizer"), PAIRS)
def test_theorem_a1(filter_, optimizer):
  """Filtering the gradients is filtering the updates, for a linear optimizer (paper, A.1)."""
  case, make = FILTERS[filter_], LINEAR_OPTIMIZERS[optimizer]
  before = compiled(lambda: optax.chain(case.make(), make()))
  after = compiled(lambda: optax.chain(make(), case.make()))

  @given(SEEDS)
  def check(seed):
    g = stream(seed, zeros=case.settles)
    assert_same(before(g), after(g))

  check()


@pytest.mark.parametrize("name", ["ema_slow", "ma", "iir"])
def test_theorem_a1_does_not_hold_for_adam(name):
  g = stream(0, zeros=4)
  filter_, adam = FILTERS[name].make(), optax.adam(0.1)
  before = compiled(lambda: optax.chain(filter_, adam))(g)
  after = compiled(lambda: optax.chain(adam, filter_))(g)
  assert np.abs(before - after).max() > 0.01


@pytest.mark.parametrize("window_size", [1, 2, 5, 12])
def test_ma_is_a_fir_filter(window_size):
  """From the step on at which the window is full."""
  taps = np.full(window_size, 1 / window_size)
  ma = compiled(lambda lamb: grokfax.grokfast_ma(window_size, lamb))
  fir = compiled(lambda lamb: grokfax.grokfast_fir(taps, lamb))

  @given(SEEDS, st.floats(0, 5))
  def check(seed, lamb):
    g = stream(seed)
    assert_same(ma(g, lamb)[window_size - 1 :], fir(g, lamb)[window_size - 1 :])

  check()


def _ema_as_iir(initial):
  return lambda a, lamb: grokfax.grokfast_iir([1 - a], [1.0, -a], lamb, initial=initial)


EMA = compiled(grokfax.grokfast_ema)
FIRST_STARTED_IIR = compiled(_ema_as_iir("first_gradient"))
ZERO_STARTED_IIR = compiled(_ema_as_iir("zero"))
MULTISCALE = compiled(grokfax.grokfast_multiscale)
NESTEROV = compiled(lambda decay: optax.trace(decay, nesterov=True))


@given(SEEDS, st.floats(0, 0.99), st.floats(0, 5))
def test_ema_is_an_iir_filter(seed, alpha, lamb):
  """From the first step on, where that too starts from the first gradient."""
  g, late = stream(seed), stream(seed, zeros=1)
  assert_same(EMA(g, alpha, lamb), FIRST_STARTED_IIR(g, alpha, lamb))
  assert_same(EMA(late, alpha, lamb), ZERO_STARTED_IIR(late, alpha, lamb))


@given(SEEDS, st.lists(st.floats(0, 0.99), min_size=1, max_size=4), st.floats(0, 5))
def test_multiscale_is_the_sum_of_its_scales(seed, alphas, lamb):
  g, lambs = stream(seed), [lamb + j for j in range(len(alphas))]
  added = [EMA(g, a, b) - g for a, b in zip(alphas, lambs, strict=True)]
  assert_same(MULTISCALE(g, alphas, lambs), g + sum(added))


@given(SEEDS, st.floats(0, 0.99))
def test_nesterov_momentum_is_an_ema_with_its_gain_bound(seed, decay):
  """`optax.trace(a, nesterov=True)` is the filter with λ = a / (1 - a)."""
  g = stream(seed, zeros=1)
  assert_same(NESTEROV(g, decay), EMA(g, decay, decay / (1 - decay)))


# How many coefficients b has, and how many real poles and pairs of complex ones a has.
SIZES = [(1, 0, 0), (4, 0, 0), (1, 2, 0), (2, 0, 1), (3, 1, 1), (4, 2, 1)]


def lists_of(values, size):
  return st.lists(values, min_size=size, max_size=size)


def polynomial(a0, poles, pairs):
  """a, from real poles, and from pairs by their radius and angle."""
  both = [radius * np.exp(sign * 1j * angle) for radius, angle in pairs for sign in (1, -1)]
  return a0 * np.atleast_1d(np.poly([*poles, *both]).real)


def assert_scipys(respond, b, a, seed):
  """From zero, and from the first gradient as `lfilter_zi` has it."""
  g, order = stream(seed), max(len(b), len(a)) - 1
  padded = [np.pad(c, (0, order + 1 - len(c))) for c in (b, a)]
  steady = scipy.signal.lfilter_zi(*padded)[:, None] * g[0] if order else np.zeros((0, 2))
  for initial, zi in (("zero", np.zeros((order, 2))), ("first_gradient", steady)):
    expected, _ = scipy.signal.lfilter(b, a, g, axis=0, zi=zi)
    np.testing.assert_allclose(respond(initial, g, b, a) - g, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("size", "real", "complex_"), SIZES)
def test_iir_is_scipys_lfilter(size, real, complex_):
  """With traced coefficients, in one program for all of a size, and once with plain ones."""
  programs = {
    initial: compiled(functools.partial(grokfax.grokfast_iir, initial=initial))
    for initial in ("zero", "first_gradient")
  }

  @settings(max_examples=30)
  @given(
    SEEDS,
    lists_of(st.floats(-2, 2), size),
    st.sampled_from([1.0, -0.5, 4.0]),
    lists_of(st.floats(-0.9, 0.9), real),
    lists_of(st.tuples(st.floats(0.1, 0.9), st.floats(0.1, 3.0)), complex_),
  )
  def check(seed, b, a0, poles, pairs):
    b, a = np.asarray(b), polynomial(a0, poles, pairs)
    assert_scipys(lambda initial, *args: programs[initial](*args), b, a, seed)
    grokfax.grokfast_iir(b, a)  # plain, it is not refused

  def plain(initial, g, b, a):
    return compiled(lambda: grokfax.grokfast_iir(b, a, initial=initial))(g)

  check()
  a = polynomial(-0.5, [0.7, -0.4][:real], [(0.8, 1.0)][:complex_])
  assert_scipys(plain, np.linspace(1, -0.5, size), a, 0)


FIR = compiled(grokfax.grokfast_fir)


@given(SEEDS, st.lists(st.floats(-2, 2), min_size=1, max_size=4), st.floats(0, 5))
def test_fir_is_scipys_lfilter(seed, taps, lamb):
  g = stream(seed)
  expected = g + lamb * scipy.signal.lfilter(taps, [1.0], g, axis=0)
  np.testing.assert_allclose(FIR(g, np.asarray(taps), lamb), expected, rtol=0, atol=1e-10)
