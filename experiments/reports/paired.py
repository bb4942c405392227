"""One method against another on the same seeds: a ratio of steps, and its uncertainty.

SciPy is imported where it is called, as in `survival`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from experiments.reports.survival import LEVEL


class Ratio(NamedTuple):
  """How many times as many steps: the geometric mean, and its 95 % interval."""

  mean: float
  low: float
  high: float

  @property
  def better(self) -> bool:
    """Whether it is told apart: the whole interval is below 1."""
    return self.high < 1

  def __str__(self) -> str:
    """As a table shows it."""
    found = f"{self.low:.2f} to {self.high:.2f}" if np.isfinite(self.high) else "no interval"
    return f"{self.mean:.2f} ({found})"

  @property
  def verdict(self) -> str:
    """In words."""
    return "better" if self.better else "worse" if self.low > 1 else "not told apart"


def ratio(ours: Sequence[Sequence[float]], theirs: Sequence[Sequence[float]]) -> Ratio:
  """Steps of ours to those of theirs, seed by seed.

  Each seed gives one logarithm, the mean over its columns; the interval is Student's t of these.
  (Of five values the bootstrap's percentiles would hold the mean in 85 % of cases, not 95 %.) Of
  one seed it is 0 to inf: there is none.

  Args:
    ours: of each seed (of each operation) the steps; where a run did not get there, the budget.
    theirs: the same of the other method, the seeds and columns in the same order.

  >>> ratio([[100, 50], [200, 50]], [[200, 100], [400, 100]])
  Ratio(mean=0.5, low=0.5, high=0.5)
  >>> str(ratio([[100]], [[200]]))
  '0.50 (no interval)'
  """
  from scipy import stats

  of_seeds = np.log(np.asarray(ours, float) / np.asarray(theirs, float)).mean(1)
  mean, half = of_seeds.mean(), np.inf
  if len(of_seeds) > 1:
    half = stats.sem(of_seeds) * stats.t.ppf((1 + LEVEL) / 2, len(of_seeds) - 1)
  return Ratio(*(float(np.exp(value)) for value in (mean, mean - half, mean + half)))
