"""Ratios of steps on the same seeds: against all resamples, enumerated."""

import itertools

import numpy as np
import pytest

from experiments.reports import paired

OURS = [[100, 110], [150, 90], [120, 240], [80, 100]]
THEIRS = [[200, 130], [180, 200], [110, 230], [160, 170]]


def test_the_mean_and_its_interval():
  logs = np.log(np.array(OURS) / np.array(THEIRS)).mean(1)
  every = [np.mean(chosen) for chosen in itertools.product(logs, repeat=4)]
  found = paired.ratio(OURS, THEIRS)
  assert found.mean == pytest.approx(np.exp(logs.mean()))
  low, high = np.exp(np.quantile(every, [0.025, 0.975]))
  assert (found.low, found.high) == pytest.approx((low, high), rel=0.03)


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
