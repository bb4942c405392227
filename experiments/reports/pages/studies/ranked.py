"""Settings in the order in which they grok: what was held first, then what crossed first."""

import statistics
from collections.abc import Iterable, Sequence

from experiments.reports import results
from experiments.reports.read import Run

FIRST, HELD, DIPS = "val_95_step", "val_95_sustained_step", "val_95_dips"


def spread(runs: Sequence[Run], name: str) -> str:
  """A figure's median and range, with those that did not get there."""
  return results.spread(name, [run.summary.get(name) for run in runs])


def reached(runs: Iterable[Run], figure: str = FIRST) -> int:
  """How many runs have a figure: of FIRST those that cross, of HELD those that hold."""
  return sum(run.summary[figure] is not None for run in runs)


def share(runs: Sequence[Run], figure: str = FIRST) -> str:
  """The same, of how many."""
  return f"{reached(runs, figure)} of {len(runs)}"


def high_median(steps: Iterable[float | None]) -> float | None:
  """The high median, where those that did not get there stand behind all others.

  >>> high_median([900, None, 700]), high_median([900, None])
  (900, None)
  """
  middle = statistics.median_high(float("inf") if step is None else step for step in steps)
  return None if middle == float("inf") else middle


def rank(runs: Sequence[Run]) -> tuple[float, float]:
  """What was held first stands first; then what crossed first."""
  held, first = (high_median(run.summary[name] for run in runs) for name in (HELD, FIRST))
  return held or float("inf"), first or float("inf")
