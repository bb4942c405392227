"""Kaplan and Meier's quartiles and the bootstrap's intervals: by hand, and by definition."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.reports import survival
from experiments.reports.survival import Time

INF = math.inf
TIMES = st.lists(
  st.builds(Time, st.integers(1, 12).map(lambda k: 10.0 * k), st.booleans())
  | st.just(Time(INF, False)),
  min_size=1,
  max_size=25,
)
# Weeks of remission of the 21 patients with 6-MP, Freireich et al. (1963); + is censored.
REMISSION = "6 6 6 6+ 7 9+ 10 10+ 11+ 13 16 17+ 19+ 20+ 22 23 25+ 32+ 32+ 34+ 35+"


def times_of(text):
  return [Time(float(word.strip("+")), "+" not in word) for word in text.split()]


def by_definition(times, share):
  """The first crossing after which less than 1 - share still wait, the product in fractions."""
  waiting = 1.0
  for step in sorted({time.step for time in times if time.seen}):
    at_risk = sum(time.step >= step for time in times)
    waiting *= 1 - sum(time == (step, True) for time in times) / at_risk
    if waiting < 1 - share - 1e-9:
      return step
  return INF


def test_freireichs_patients():
  """By hand: 18/21 wait after week 6, x 16/17, 14/15, 11/12, 10/11, 6/7, 5/6 after 7, ..., 23."""
  times = times_of(REMISSION)
  assert survival.quantile(times, 0.25) == 13.0  # .6902 after 13, .7529 before
  assert survival.quantile(times, 0.5) == 23.0  # .4482 after 23, .5378 before
  assert survival.quantile(times, 0.75) == INF


def test_a_run_that_was_cut_off_counts_only_until_then():
  """After 20 one of three waits, for the one cut off at 15 is no longer among them; then 1/2."""
  cut_off = times_of("10 15+ 20 30")
  assert survival.quantile(cut_off, 0.5) == 20.0  # 3/4 x 1/2
  assert survival.quantile([*times_of("10 20 30"), Time(INF, False)], 0.5) == 30.0


def test_at_one_step_a_crossing_comes_before_a_censoring():
  assert survival.quantile(times_of("10 10+ 20"), 0.3) == 10.0
  assert survival.quantile(times_of("10 10+ 20"), 0.4) == 20.0


def test_half_that_never_cross_leave_no_median():
  never = [Time(INF, False)]
  assert survival.quantile(times_of("10 20") + 2 * never, 0.5) == INF
  assert survival.quantile(times_of("10 20 30") + 2 * never, 0.5) == 30.0
  assert survival.quantile(never, 0.5) == survival.quantile(times_of("10+"), 0.5) == INF


@given(TIMES, st.sampled_from([0.25, 0.5, 0.75]))
def test_quantiles_by_definition(times, share):
  assert survival.quantile(times, share) == by_definition(times, share)


@given(st.lists(st.integers(1, 99), min_size=1))
def test_without_censoring_it_is_the_upper_median(steps):
  times = [Time(float(step), True) for step in steps]
  assert survival.quantile(times, 0.5) == sorted(steps)[len(steps) // 2]


@given(st.integers(1, 15).flatmap(lambda n: st.lists(st.lists(
  st.builds(Time, st.sampled_from([10.0, 20.0, 30.0, 40.0]), st.booleans()), min_size=n, max_size=n
), min_size=1, max_size=5)))  # fmt: skip
def test_medians_of_many_samples(samples):
  steps, seen = np.moveaxis(np.array(samples, float), -1, 0)
  expected = [survival.quantile(times, 0.5) for times in samples]
  np.testing.assert_array_equal(survival.medians(steps, seen), expected)


def test_the_interval_by_the_binomial_distribution():
  """P(a resample's median is the k-th or less) is a binomial's: of 13, .016 at 3, .071 at 4."""
  n = 13
  times = [Time(10.0 * k, True) for k in range(1, n + 1)]

  def at_most(k):
    return sum(
      math.comb(n, j) * (k / n) ** j * (1 - k / n) ** (n - j) for j in range(n // 2 + 1, n + 1)
    )

  low = next(k for k in range(1, n + 1) if at_most(k) > 0.025)
  high = next(k for k in range(1, n + 1) if at_most(k) > 0.975)
  assert survival.interval(times) == (10.0 * low, 10.0 * high)
  assert survival.interval(times) == survival.interval(times[::-1])


def test_an_end_that_is_not_reached():
  never = [Time(INF, False)]
  assert survival.interval(times_of("10 20 30 40 50") + 3 * never) == (20.0, INF)
  assert survival.interval(4 * never) == (INF, INF)
  assert survival.interval(times_of("10")) is None


@pytest.mark.parametrize("resamples", [199, 1_999])
def test_a_single_value_is_its_own_interval(resamples):
  assert survival.interval(times_of("10 10 10"), resamples) == (10.0, 10.0)
