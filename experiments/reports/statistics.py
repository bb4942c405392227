"""How soon each setting got to the goal, with those that did not: a table of survival.

For each setting n, how many have reached the goal, how many have not yet, how many
diverged and how many did not finish, and the first and the sustained crossing by
Kaplan and Meier.
"""

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from experiments.reports import survival
from experiments.reports.read import Run, by_setting
from experiments.reports.survival import Time, first_crossing, sustained_crossing
from experiments.reports.words import goal_text
from experiments.runs.outcomes import STEPS_AFTER, diverged_step

_KINDS: Mapping[str, Callable[[Run], Time]] = {
  "first": first_crossing,
  "sustained": sustained_crossing,
}
_COUNTS = {
  "n": "n",
  "reached": "reached",
  "not_yet": "not yet",
  "diverged": "diverged",
  "unfinished": "did not finish",
}
_COSTS = {"ms_per_step": "ms a step", "peak_bytes": "peak memory"}


def statistics_of(runs: Iterable[Run]) -> list[dict[str, Any]]:
  """Counts, quartiles and intervals in steps, and costs: a record for each setting and source.

  None stands for what is not reached, and for a median's interval where there is one run;
  without an accuracy there are no crossings, and what no run has recorded is left out.
  """
  return [
    {"setting": setting, "of": source, **_of(group)}
    for (setting, source), group in by_setting(runs).items()
  ]


def _of(group: Sequence[Run]) -> dict[str, Any]:
  endings = [run.ended for run in group]
  counts = {"n": len(group)}
  figures = {}
  if group[0].task.goals:
    reached = [first_crossing(run).seen for run in group]
    going = [ending != "diverged" for ending in endings]
    counts["reached"] = sum(reached)
    counts["not_yet"] = sum(on and not there for on, there in zip(going, reached, strict=True))
    for kind, time_of in _KINDS.items():
      times = [time_of(run) for run in group]
      low, median, high = (survival.quantile(times, share) for share in (0.25, 0.5, 0.75))
      ends = survival.interval(times) or (math.inf, math.inf)
      named = {"median": median, "quartile_1": low, "quartile_3": high}
      named |= dict(zip(("interval_low", "interval_high"), ends, strict=True))
      figures |= {f"{kind}_{name}": _reached(value) for name, value in named.items()}
  counts |= {name: endings.count(name) for name in ("diverged", "unfinished")}
  return counts | figures | _costs(group)


def _reached(step: float) -> int | None:
  return int(step) if math.isfinite(step) else None


def _costs(group: Sequence[Run]) -> dict[str, float]:
  """Medians of what is recorded."""
  recorded = {name: [run.cost[name] for run in group if name in run.cost] for name in _COSTS}
  return {name: statistics.median(values) for name, values in recorded.items() if values}


def rows(records: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
  """The table of `statistics_of`, with its header."""
  counts = {name: text for name, text in _COUNTS.items() if name in records[0]}
  kinds = [kind for kind in _KINDS if f"{kind}_median" in records[0]]
  costs = {name: text for name, text in _COSTS.items() if any(name in r for r in records)}
  crossings = [text for kind in kinds for text in (f"{kind} crossing", "CI")]
  header = ("setting", "of", *counts.values(), *crossings, *costs.values())
  return [header] + [
    (
      *(str(record[name]) for name in ("setting", "of", *counts)),
      *(text for kind in kinds for text in _crossing(record, kind)),
      *(cost(name, record.get(name)) for name in costs),
    )
    for record in records
  ]


def _crossing(record: Mapping[str, Any], kind: str) -> tuple[str, str]:
  """Median with quartiles, and the median's interval."""
  middle, *quartiles = (record[f"{kind}_{n}"] for n in ("median", "quartile_1", "quartile_3"))
  ends = [record[f"{kind}_interval_{n}"] for n in ("low", "high")]
  alone = record["n"] == 1 or (middle is None and quartiles[0] is None)
  text = (
    _step(middle) if alone else f"{_step(middle)} ({_step(quartiles[0])} to {_step(quartiles[1])})"
  )
  return text, "-" if ends == [None, None] else f"{_step(ends[0])} to {_step(ends[1])}"


def _step(value: int | None) -> str:
  return "-" if value is None else f"{value:,}"


def cost(name: str, value: float | None) -> str:
  """A cost as a table shows it.

  >>> cost("ms_per_step", 1.64), cost("ms_per_step", 1640.2), cost("peak_bytes", 3 * 2**29)
  ('1.64', '1,640', '1,536 MiB')
  """
  if value is None:
    return ""
  value, unit = (value / 2**20, " MiB") if name == "peak_bytes" else (value, "")
  return (f"{value:,.0f}" if value >= 100 else f"{value:.3g}") + unit


def legend(runs: Sequence[Run]) -> dict[str, str]:
  """What the columns of the table are."""
  begun = "the runs whose logs there are; members of a sweep that have not begun are not."
  meanings = {
    "did not finish": "the log ends before the budget, though the run has neither diverged nor "
    "held the goal for as long as it was to."
  }
  if any(run.cost for run in runs):
    meanings["ms a step, peak memory"] = (
      "medians of what the runs have recorded; in a sweep, of all members together."
    )
  if not (goals := runs[0].task.goals):
    return {"n": begun, **meanings}
  goal = goal_text(goals[0])
  return {
    "n": begun,
    "not yet": f"has neither reached the goal, {goal}, nor diverged.",
    **meanings,
    "first crossing": f"the first evaluation at {goal}, in optimization steps: the median and in "
    "brackets the quartiles, each the step by which more than that share of the runs has crossed. "
    "By Kaplan and Meier: a run without a crossing counts to its last evaluation, one that "
    'diverged for ever. "-" is not reached.',
    "sustained crossing": "from there on the goal is never missed to the end of the budget, at "
    f"least {STEPS_AFTER} steps later. Of a run that ended before, even as it held the goal, it "
    "cannot be told: that counts to its last evaluation that misses the goal.",
    "CI": f"95 % confidence interval of the median, of {survival.RESAMPLES:,} bootstrap resamples "
    "of the runs (percentiles).",
  }


def runs_table(runs: Sequence[Run]) -> list[dict[str, Any]]:
  """A record for each run: its setting, the settings that vary, how it ended, its summary."""
  names = dict.fromkeys(name for run in runs for name in run.values)
  values = {name: {str(run.values.get(name)) for run in runs} for name in names}
  varied = [n for n, found in values.items() if len(found) > 1 and n not in ("seed", "steps")]
  return [
    {
      "setting": run.setting,
      **{name: run.values.get(name) for name in varied},
      "seed": run.seed,
      "budget": run.steps,
      "steps": run.last,
      "ended": run.ended,
      "diverged_step": diverged_step(run.records),
      **run.summary,
      **run.cost,
    }
    for run in runs
  ]
