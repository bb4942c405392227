"""When a run got to its goal, or up to when it had not: times for `survival`."""

import math

from experiments.reports.read import Run
from experiments.reports.survival import Time
from experiments.runs import outcomes


def first_crossing(run: Run) -> Time:
  """When it first reached the goal."""
  return _time(run, outcomes.first_step(run.records, run.task.goals[0]), run.last)


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
