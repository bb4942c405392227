"""Ratios of steps on the same seeds: against SciPy's t test, and by simulation."""

import numpy as np
import pytest
from scipy import stats

from experiments.reports import paired

OURS = [[100, 110], [150, 90], [120, 240], [80, 100]]
THEIRS = [[200, 130], [240, 200], [150, 330], [160, 170]]


def test_the_mean_and_its_interval():
  logs = np.log(np.array(OURS) / np.array(THEIRS)).mean(1)
  found = paired.ratio(OURS, THEIRS)
  assert found.mean == pytest.approx(np.exp(logs.mean()))
  low, high = stats.ttest_1samp(logs, 0).confidence_interval(0.95)
  assert (found.low, found.high) == pytest.approx((np.exp(low), np.exp(high)))


def test_the_interval_holds_the_ratio_in_95_of_100_samples_of_five():
  rng = np.random.default_rng(0)
  samples = np.exp(rng.normal(0.3, 0.2, size=(2_000, 5, 1)))
  found = [paired.ratio(sample, np.ones((5, 1))) for sample in samples]
  assert np.mean([f.low <= np.exp(0.3) <= f.high for f in found]) == pytest.approx(0.95, abs=0.015)


def test_percentiles_of_the_bootstrap_would_be_too_narrow():
  """What the page says: of five values they hold the mean in some 85 % of cases."""
  rng = np.random.default_rng(0)
  samples = rng.normal(size=(2_000, 5))
  means = samples[:, rng.integers(5, size=(2_000, 5))].mean(-1)
  low, high = np.quantile(means, [0.025, 0.975], axis=1)
  assert np.mean((low <= 0) & (high >= 0)) == pytest.approx(0.85, abs=0.03)


def test_better_is_an_interval_below_one():
  assert paired.ratio(OURS, THEIRS).better
  assert not paired.ratio(THEIRS, OURS).better
  assert not paired.ratio(OURS, OURS).better
  noisy = [[100], [100], [100], [100]], [[60], [300], [150], [90]]
  assert not paired.ratio(*noisy).better


def test_the_other_way_round_it_is_the_inverse():
  one, other = paired.ratio(OURS, THEIRS), paired.ratio(THEIRS, OURS)
  assert one.mean == pytest.approx(1 / other.mean)
  assert one.low == pytest.approx(1 / other.high)
