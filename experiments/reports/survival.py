"""How soon, where some did not get there: Kaplan-Meier medians and their uncertainty.

A run that ends without a crossing still says something: up to there, there was none. It
is right-censored: in the estimate of Kaplan and Meier (1958) it counts among those that
could cross until it ends, and not after. A run that diverged can never cross, so it
stays among them for ever.

SciPy is imported where it is called: it takes half a second, and the figures of one run, which
end every training command, do without.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from experiments.reports.read import Run
from experiments.runs.outcomes import first_step

RESAMPLES = 9_999
LEVEL = 0.95
ROUNDING = 1e-9  # of a product of shares


class Time(NamedTuple):
  """When one run crossed.

  Attributes:
    step: of the crossing, or up to which there was none; inf where there can be none.
    seen: whether it is a crossing.
  """

  step: float
  seen: bool


def quantile(times: Sequence[Time], share: float) -> float:
  """The step by which more than a share of all have crossed; inf if they have not.

  Of an even number of crossings the median is the upper one, so that half of them is not
  enough: where the others never cross, there is no median.

  >>> quantile([Time(10, True), Time(20, True), Time(20, False), Time(40, True)], 0.5)
  40.0
  >>> quantile([Time(10, True), Time(math.inf, False)], 0.5)
  inf
  """
  from scipy import stats

  crossings = [time.step for time in times if time.seen]
  if not crossings:
    return math.inf
  beyond = max(crossings) + 1  # where it no longer matters when
  ends = [min(time.step, beyond) for time in times if not time.seen]
  waiting = stats.ecdf(stats.CensoredData(uncensored=crossings, right=ends)).sf
  by_then = waiting.quantiles[waiting.probabilities < 1 - share - ROUNDING]
  return float(by_then[0]) if by_then.size else math.inf


def medians(steps: np.ndarray, seen: np.ndarray, axis: int = -1) -> np.ndarray:
  """`quantile(times, 0.5)` of many samples at once.

  Args:
    steps: float[..., n].
    seen: bool[..., n], or numbers.
    axis: the last.

  Returns:
    float[...].
  """
  order = np.lexsort((1 - seen, steps), axis)  # at one step crossings come first
  steps, seen = (np.take_along_axis(values, order, axis) for values in (steps, seen))
  waiting = np.cumprod(1 - seen / np.arange(steps.shape[axis], 0, -1), axis)
  by_then = waiting < 0.5 - ROUNDING
  first = np.take_along_axis(steps, by_then.argmax(axis, keepdims=True), axis).squeeze(axis)
  return np.where(by_then.any(axis), first, math.inf)


def interval(times: Sequence[Time], resamples: int = RESAMPLES) -> tuple[float, float] | None:
  """A 95 % confidence interval of the median: of the bootstrap's medians the middle 95 %.

  The resamples are the same at every call.

  Args:
    times: at least two, or there is none.
    resamples: one less than a multiple of 40, so that the ends are two of the medians.

  Returns:
    Its ends, inf for one that is not reached.
  """
  if len(times) < 2:
    return None
  from scipy import stats

  steps, seen = np.array(times, float).T
  with np.errstate(invalid="ignore"):  # scipy takes a standard error, of what may be inf
    result: Any = stats.bootstrap(
      (steps, seen),
      medians,
      paired=True,
      vectorized=True,
      n_resamples=resamples,
      method="percentile",
      rng=np.random.default_rng(0),
    )
  ordered = np.sort(result.bootstrap_distribution)
  outside = round((1 - LEVEL) / 2 * (resamples + 1))
  return float(ordered[outside - 1]), float(ordered[-outside])


def first_crossing(run: Run) -> Time:
  """When it first reached the goal."""
  return _time(run, first_step(run.records, run.task.goals[0]), run.last)


def sustained_crossing(run: Run) -> Time:
  """From when on it held the goal, to the end of the budget.

  Of a run that ended before, even as it held the goal, it cannot be told: it is censored at the
  last evaluation that missed the goal.
  """
  goal = run.task.goals[0]
  missed = [record["step"] for record in run.records if not goal.reached(record)]
  return _time(run, run.summary[f"{goal.name}_sustained_step"], missed[-1] if missed else 0)


def _time(run: Run, step: float | None, without: int) -> Time:
  if step is not None:
    return Time(step, True)
  return Time(math.inf if run.ended == "diverged" else without, False)
