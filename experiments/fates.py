"""What became of a run: how it ended, and when it got to the goal."""

import math
from collections.abc import Sequence
from typing import Any, Literal, cast

from experiments.logs import Run
from experiments.members import Rules
from experiments.summary import diverged_step, first_step, percent, summarise
from experiments.survival import Time

Ending = Literal["budget", "held", "diverged", "unfinished"]


def summary_of(run: Run) -> dict[str, float | None]:
  """The summary that a log gives, a run that was ended early counted as such."""
  full = run.beyond or _last(run) >= run.steps
  return summarise(run.records, full_budget=full, thresholds=run.experiment.thresholds)


def ending(run: Run) -> Ending:
  """Why a run ended: for its budget, for it held the goal, diverged; else it is unfinished."""
  if diverged_step(run.records) is not None:
    return "diverged"
  if run.beyond:
    return "budget"
  if not run.records:
    return "unfinished"
  thresholds = run.experiment.thresholds
  rules = Rules(thresholds[0] if thresholds else None, run.values.get("stop_when_held"))
  return cast(Ending, rules.ending(run.records, run.steps) or "unfinished")


def first_crossing(run: Run) -> Time:
  """When validation accuracy first reached the goal."""
  step = first_step(run.records, "val_accuracy", run.experiment.thresholds[0])
  return _time(run, step, _last(run))


def sustained_crossing(run: Run) -> Time:
  """From when on it stayed there, to the end of the budget.

  Of a run that ended before, even as it held the goal, it cannot be told: it is censored
  at the last evaluation under the goal.
  """
  goal = run.experiment.thresholds[0]
  step = summary_of(run)[f"val_{percent(goal)}_sustained_step"]
  values = ((r["step"], r["val_accuracy"]) for r in run.records)
  under = [at for at, value in values if value is None or value < goal]
  return _time(run, step, under[-1] if under else 0)


def records_of(runs: Sequence[Run]) -> list[dict[str, Any]]:
  """A record for each run: its setting, the settings that vary, how it ended, its summary."""
  values = {name: {run.values[name] for run in runs} for name in runs[0].values}
  varied = [n for n, found in values.items() if len(found) > 1 and n not in ("seed", "steps")]
  return [
    {
      "setting": run.setting,
      **{name: run.values[name] for name in varied},
      "seed": run.seed,
      "budget": run.steps,
      "steps": _last(run),
      "ended": ending(run),
      "diverged_step": diverged_step(run.records),
      **summary_of(run),
      **run.cost,
    }
    for run in runs
  ]


def _last(run: Run) -> int:
  return run.records[-1]["step"] if run.records else 0


def _time(run: Run, step: float | None, without: int) -> Time:
  if step is not None:
    return Time(step, True)
  return Time(math.inf if ending(run) == "diverged" else without, False)
