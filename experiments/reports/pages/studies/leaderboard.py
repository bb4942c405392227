"""What the benchmark's page says: every method's figures on each operation, and its trials."""

import functools
import itertools
import json
from collections.abc import Callable, Sequence
from typing import Any

from experiments.reports import results, tables
from experiments.reports.pages.markers import RESULTS, block
from experiments.reports.pages.studies.grids import SIGNS, runs_of
from experiments.reports.pages.studies.ranked import DIPS, FIRST, HELD, high_median, spread
from experiments.reports.pages.studies.scores import (
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


def _short(names: Sequence[str]) -> str:
  """The median first crossing on each operation, and how many of all runs hold it."""
  rows: list[tuple[str, ...]] = [("method", *SIGNS.values(), "hold 95 % to the end")]
  for name in names:
    groups = by_operation(name)
    middle = [high_median(run.summary[FIRST] for run in runs) for runs in groups]
    runs = runs_of(STUDY, name)
    held_ = sum(run.summary[HELD] is not None for run in runs)
    cells = ("-" if step is None else f"{step:,}" for step in middle)
    rows.append((name, *cells, f"{held_} of {len(runs)} runs"))
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
  """What a step costs, and what is spent to the median first crossing of all runs."""
  measured = {row["setting"]: row for row in json.loads(COSTS.read_text())["rows"]}
  header = "ms a step", "GFLOP a step", "arrays", "steps", "examples", "GFLOP", "seconds"
  rows: list[tuple[str, ...]] = [("method", *header)]
  for name in names:
    cost: dict[str, Any] = measured[name]
    pace, work = cost["ms a step"][0], cost["GFLOP a step"]
    own = f"{pace:.1f}", f"{work:.2f}", f"{cost['state arrays']:.0f}"
    runs = runs_of(STUDY, name)
    step = high_median(run.summary[FIRST] for run in runs)
    spent = ["-"] * 4
    if step is not None:
      examples = step * runs[0].values["batch_size"]
      spent = [f"{step:,}", f"{examples:,}", f"{step * work:,.0f}", f"{step * pace / 1e3:.1f}"]
    rows.append((name, *own, *spent))
  return tables.markdown(rows)


def _pairs(names: Sequence[str]) -> str:
  """Each against tuned AdamW, and against the one behind it."""
  header = (
    "method",
    f"held, to {AGAINST}'s",
    f"95 %, to {AGAINST}'s",
    "held, to the next",
    "95 %, to the next",
  )
  rows: list[tuple[str, ...]] = [header]
  for name, after in itertools.zip_longest(names, names[1:]):
    others = AGAINST if AGAINST in names else None, after
    pairs = ((other, figure) for other in others for figure in (HELD, FIRST))
    rows.append((name, *("" if o in (None, name) else _ratio(name, o, f) for o, f in pairs)))
  return tables.markdown(rows)


def _ratio(name: str, other: str, figure: str) -> str:
  found = compared(name, other, figure)
  return f"{found}, {found.verdict}"


def _of_track(text: Callable[[Sequence[str]], str], track: str) -> str:
  return text(methods(reference=track == "reference"))


TABLES = {
  "reference": (_table, _short, _figures, _pairs, _costs),
  "open": (_table, _figures, _costs),
}
for _track, _texts in TABLES.items():
  for _text in _texts:
    block(f"benchmark_{_track}{_text.__name__}")(functools.partial(_of_track, _text, _track))


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
