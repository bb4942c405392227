"""The table of results: median and range over the seeds of each setting, beside its source."""

import math
import statistics
from collections.abc import Mapping, Sequence

from experiments.fields import UsageError
from experiments.reports import tables
from experiments.reports.read import Run, by_setting, up_to
from experiments.reports.words import digits, goal_text
from experiments.tasks.task import Task


def spread(name: str, values: Sequence[float | None]) -> str:
  """Median and range of a figure of the summaries, with those that did not get there counted.

  >>> spread("val_95_step", [910, 1340, 920]), spread("val_95_step", [None, None, 900])
  ('920 (910 to 1,340)', '- (900 to -), 2 not')
  """
  if len(values) == 1:
    return digits(name, values[0])
  worst = -math.inf if name.endswith("accuracy") else math.inf
  numbers = [worst if value is None else value for value in values]
  middle = statistics.median_high if worst > 0 else statistics.median_low  # never a mean with it
  shown = [
    digits(name, None if math.isinf(v) else v)
    for v in (middle(numbers), min(numbers), max(numbers))
  ]
  missing = sum(value is None for value in values)
  if missing == len(values):
    return f"none of {missing}"
  return f"{shown[0]} ({shown[1]} to {shown[2]})" + (f", {missing} not" if missing else "")


def _columns(task: Task) -> Mapping[str, str]:
  """Headers and figures: the task's own, or its goals' and the last loss."""
  goals = {goal_text(goal): f"{goal.name}_step" for goal in task.goals}
  return task.columns or {**goals, "validation loss, last tenth": "last_val_loss"}


def rows(runs: Sequence[Run]) -> list[tuple[str, ...]]:
  """The table's rows, the header first.

  Raises:
    UsageError: if the runs of a setting have several budgets.
  """
  columns = _columns(runs[0].task)
  found = [("setting", "of", "seeds", *columns)]
  for (setting, source), group in by_setting(runs).items():
    budgets = sorted({run.steps for run in group})
    if len(budgets) > 1:
      steps = " and ".join(f"{steps:,}" for steps in budgets)
      raise UsageError(f"{setting} has runs of {steps} steps: name a --budget that all have.")
    spreads = [spread(name, [run.summary.get(name) for run in group]) for name in columns.values()]
    found.append((setting, source, str(len(group)), *spreads))
    if published := group[0].published:
      theirs = [digits(n, published[n]) if n in published else "" for n in columns.values()]
      found.append((setting, "published", "1", *theirs))
  return found


def table(runs: Sequence[Run], budget: int | None = None) -> str:
  """A Markdown table, a row for each setting and source, and what was published of it.

  Args:
    runs: of one task, with any settings.
    budget: leave out what comes after this step.

  Raises:
    UsageError: if the runs of a setting have several budgets.
  """
  return tables.markdown(rows([up_to(run, budget) for run in runs]))
