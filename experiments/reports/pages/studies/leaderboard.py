"""What the benchmark's page says: every method's figures on each operation, and its trials."""

import json
from collections.abc import Callable, Sequence

from experiments.reports import results, tables
from experiments.reports.pages.markers import RESULTS, block
from experiments.reports.pages.studies.grids import SIGNS, runs_of
from experiments.reports.pages.studies.ranked import FIRST, HELD, high_median, spread
from experiments.reports.read import Run
from experiments.reports.words import spelled
from experiments.runs.outcomes import STEPS_AFTER, start_of_last_stretch
from experiments.tasks.task import Goal

STUDY, TUNING = "leaderboard", RESULTS / "benchmark_tuning"
PAPERS = "transformer"  # the model of the reference track


def methods(*, reference: bool) -> list[str]:
  """The methods of a track that were scored, the best first."""
  names = (path.parent.name for path in (RESULTS / "studies" / STUDY).glob("*/summary.json"))
  chosen = [n for n in names if (runs_of(STUDY, n)[0].values["model"] == PAPERS) == reference]
  return sorted(sorted(chosen), key=_worst)


def held(run: Run, level: float) -> int | None:
  """The step from which validation accuracy is never under a level again, for long enough."""
  start = start_of_last_stretch(run.records, Goal("val_accuracy", level))
  return start if start is not None and run.steps - start >= STEPS_AFTER else None


def by_operation(name: str) -> list[list[Run]]:
  """A method's runs on each operation."""
  runs = runs_of(STUDY, name)
  return [[r for r in runs if r.values["operation"] == operation] for operation in SIGNS]


def _worst(name: str) -> float:
  """The median from which it holds on the operation where that is latest."""
  medians = [high_median(run.summary[HELD] for run in runs) for runs in by_operation(name)]
  return max(float("inf") if median is None else median for median in medians)


def _table(names: Sequence[str]) -> str:
  figures: tuple[tuple[str, Callable[[Sequence[Run]], str]], ...] = (
    ("95 %", lambda runs: spread(runs, FIRST)),
    ("95 % held", lambda runs: spread(runs, HELD)),
    ("99 % held", lambda runs: results.spread("val_95_step", [held(run, 0.99) for run in runs])),
    ("dips", lambda runs: spread(runs, "val_95_dips")),
  )
  rows: list[tuple[str, ...]] = [("method", "figure", "seeds", *SIGNS.values())]
  for name in names:
    groups = by_operation(name)
    for words, figure in figures:
      rows.append((name, words, str(len(groups[0])), *map(figure, groups)))
  return tables.markdown(rows)


@block("benchmark_open")
def benchmark_open() -> str:
  return _table(methods(reference=False))


@block("benchmark_open_epochs")
def benchmark_open_epochs() -> str:
  """Of the slowest operation's median; evaluations are an epoch apart."""
  name, *_ = methods(reference=False)
  step, epoch = int(_worst(name)), runs_of(STUDY, name)[0].records[0]["step"]
  return f"{step} steps, which are {spelled(step // epoch)} epochs"


@block("benchmark_front")
def benchmark_front() -> str:
  name, *_ = methods(reference=False)
  groups = by_operation(name)
  return f"95 % from step {int(_worst(name))} on, at the median of {len(groups[0])} seeds"


@block("benchmark_trials")
def benchmark_trials() -> str:
  rows: list[tuple[str, ...]] = [
    ("method", "trials", "95 % at the end", "what was searched", "best")
  ]
  for folder in sorted(TUNING.iterdir()):
    form = json.loads((folder / "search.json").read_text())
    trials = [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]
    held_ = sum(all(curve[-1] >= 0.95 for curve in trial["val_accuracy"]) for trial in trials)
    best = max(trials, key=lambda trial: trial["score"])
    space = ", ".join(f"{n} {low:g} to {high:g}" for n, (low, high, _) in form["space"].items())
    found = ", ".join(f"{name} {best[name]:g}" for name in form["space"])
    rows.append((folder.name, str(len(trials)), str(held_), space, found))
  return tables.markdown(rows)
