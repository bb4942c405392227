"""What the benchmark's page says: every method's figures on each operation, and its trials."""

import itertools
import json
from collections.abc import Sequence
from typing import Any

from experiments.reports import results, tables
from experiments.reports.pages.markers import RESULTS, block
from experiments.reports.pages.studies.grids import SIGNS, runs_of
from experiments.reports.pages.studies.ranked import DIPS, FIRST, HELD, spread
from experiments.reports.pages.studies.scores import (
  NEVER,
  STUDY,
  by_operation,
  compared,
  held,
  held_for,
  methods,
  worst,
)
from experiments.reports.words import spelled
from experiments.runs.outcomes import STEPS_AFTER

TUNING = RESULTS / "benchmark_tuning"
COSTS = RESULTS / "benchmarks" / "leaderboard-cpu.json"
AGAINST = "adamw"


def _table(names: Sequence[str]) -> str:
  """From when each holds 95 % on each operation."""
  rows: list[tuple[str, ...]] = [("method", "seeds", *SIGNS.values())]
  for name in names:
    groups = by_operation(name)
    rows.append((name, str(len(groups[0])), *(spread(runs, HELD) for runs in groups)))
  return tables.markdown(rows)


def _figures(names: Sequence[str]) -> str:
  """All figures, over the runs of the four operations together."""
  rows: list[tuple[str, ...]] = [
    ("method", "runs", "95 %", f"95 % for {STEPS_AFTER} steps", "95 % held", "99 % held", "dips")
  ]
  for name in names:
    runs = runs_of(STUDY, name)
    steps = [held_for(run, STEPS_AFTER) for run in runs], [held(run, 0.99) for run in runs]
    for_long, higher = (results.spread(FIRST, each) for each in steps)
    figures = spread(runs, FIRST), for_long, spread(runs, HELD), higher, spread(runs, DIPS)
    rows.append((name, str(len(runs)), *figures))
  return tables.markdown(rows)


def _costs(names: Sequence[str]) -> str:
  """What a step costs, and what is spent until the slowest operation's median is held."""
  measured = {row["setting"]: row for row in json.loads(COSTS.read_text())["rows"]}
  header = "ms a step", "GFLOP a step", "arrays", "steps", "examples", "GFLOP", "seconds"
  rows: list[tuple[str, ...]] = [("method", *header)]
  for name in names:
    cost: dict[str, Any] = measured[name]
    pace, work = cost["ms a step"][0], cost["GFLOP a step"]
    own = f"{pace:.1f}", f"{work:.2f}", f"{cost['state arrays']:.0f}"
    step = worst(name)
    if step == NEVER:
      rows.append((name, *own, *["-"] * 4))
      continue
    examples = step * int(runs_of(STUDY, name)[0].values["batch_size"])
    spent = f"{step:,.0f}", f"{examples:,.0f}", f"{step * work:,.0f}", f"{step * pace / 1e3:.1f}"
    rows.append((name, *own, *spent))
  return tables.markdown(rows)


def _pairs(names: Sequence[str]) -> str:
  """Each against the one behind it, and against tuned AdamW."""
  rows: list[tuple[str, ...]] = [("method", "against the next", f"against {AGAINST}")]
  for name, after in itertools.zip_longest(names, names[1:]):
    others = after, AGAINST if AGAINST in names else None
    rows.append((name, *("" if other in (None, name) else _ratio(name, other) for other in others)))
  return tables.markdown(rows)


def _ratio(name: str, other: str) -> str:
  found = compared(name, other)
  told = "better" if found.better else "worse" if found.low > 1 else "not told apart"
  return f"{found.mean:.2f} ({found.low:.2f} to {found.high:.2f}), {told}"


def _track(name: str, reference: bool) -> None:
  """Enters a track's four tables."""
  made = {"": _table, "_figures": _figures, "_pairs": _pairs, "_costs": _costs}
  for suffix, text in made.items():
    block(f"benchmark_{name}{suffix}")(lambda text=text: text(methods(reference=reference)))


_track("reference", reference=True)
_track("open", reference=False)


@block("benchmark_open_epochs")
def benchmark_open_epochs() -> str:
  """Of the slowest operation's median; evaluations are an epoch apart."""
  name, *_ = methods(reference=False)
  step, epoch = int(worst(name)), runs_of(STUDY, name)[0].records[0]["step"]
  return f"{step} steps, which are {spelled(step // epoch)} epochs"


@block("benchmark_front")
def benchmark_front() -> str:
  name, *_ = methods(reference=False)
  groups = by_operation(name)
  return f"95 % from step {int(worst(name))} on, at the median of {len(groups[0])} seeds"


@block("benchmark_trials")
def benchmark_trials() -> str:
  rows: list[tuple[str, ...]] = [
    ("method", "trials", "95 % at the end", "what was searched", "best")
  ]
  for folder in sorted(TUNING.iterdir()):
    form = json.loads((folder / "search.json").read_text())
    trials = [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]
    there = sum(all(curve[-1] >= 0.95 for curve in trial["val_accuracy"]) for trial in trials)
    best = max(trials, key=lambda trial: trial["score"])
    space = ", ".join(f"{n} {low:g} to {high:g}" for n, (low, high, _) in form["space"].items())
    found = ", ".join(f"{name} {best[name]:g}" for name in form["space"])
    rows.append((folder.name, str(len(trials)), str(there), space, found))
  return tables.markdown(rows)
