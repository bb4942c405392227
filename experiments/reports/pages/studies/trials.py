"""Trials of a search: as its folder has them, which is the best, and the benchmark's table."""

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.reports import tables
from experiments.reports.pages.markers import RESULTS, block
from experiments.reports.pages.studies.scores import GOAL

TUNING, CONSTANT = RESULTS / "benchmark_tuning", RESULTS / "benchmark_constant"
Trial = Mapping[str, Any]
FORM, LOG = "search.json", "trials.jsonl"


def read(folder: Path) -> tuple[dict[str, Any], list[Trial]]:
  """What was searched, and all that was trained for it."""
  lines = (folder / LOG).read_text().splitlines()
  return json.loads((folder / FORM).read_text()), [json.loads(line) for line in lines]


def best(trials: Sequence[Trial], names: Sequence[str]) -> dict[str, float]:
  """The setting with the best mean score, of those that were trained with most seeds.

  >>> once = [{"seed": 0, "rate": 1.0, "score": 0.9}, {"seed": 0, "rate": 2.0, "score": 1.0}]
  >>> again = [{"seed": 1, "rate": 1.0, "score": 0.7}, {"seed": 1, "rate": 2.0, "score": 0.5}]
  >>> best(once, ["rate"]), best(once + again, ["rate"]), best(once + again[1:], ["rate"])
  ({'rate': 2.0}, {'rate': 1.0}, {'rate': 2.0})
  """
  means = _means(trials, names)
  return dict(zip(names, max(means, key=lambda values: means[values]), strict=True))


def _means(trials: Sequence[Trial], names: Sequence[str]) -> dict[tuple[float, ...], float]:
  """The mean scores of the settings that were trained with most seeds."""
  scores: dict[tuple[float, ...], dict[int, float]] = {}
  for trial in trials:
    own = scores.setdefault(tuple(trial[name] for name in names), {})
    own[trial["seed"]] = trial["score"]
  most = max(map(len, scores.values()))
  return {v: statistics.mean(own.values()) for v, own in scores.items() if len(own) == most}


def found(name: str) -> dict[str, float]:
  """The best setting of a method, its rate falling or constant; if constant it has `lr_end`.

  Raises:
    FileNotFoundError: where no search of the method is in the repository.
  """
  form, falling = read(TUNING / name)
  constant = read(CONSTANT / name)[1] if (CONSTANT / name).exists() else []
  ends = ((falling, form["fixed"]["lr_end"]), (constant, 1.0))
  rows = [{**row, "lr_end": end} for rows, end in ends for row in rows]
  chosen = best(rows, [*form["space"], "lr_end"])
  return {n: value for n, value in chosen.items() if form["fixed"].get(n) != value}


def at_border(value: float, low: float, high: float, log: bool) -> bool:
  """Whether a value is within a twentieth of its space from one of the ends.

  >>> at_border(0.9, 0.0, 1.0, False), at_border(0.98, 0.0, 1.0, False)
  (False, True)
  >>> at_border(0.11, 0.1, 10.0, True), at_border(0.2, 0.1, 10.0, True)
  (True, False)
  """
  a, b, x = map(math.log, (low, high, value)) if log else (low, high, value)
  return not a + 0.05 * (b - a) <= x <= b - 0.05 * (b - a)


@block("benchmark_trials")
def benchmark_trials() -> str:
  """Of each search the settings tried, how many were at 95 % at the end, the first, the found.

  The scores are the means of two seeds, of the best at a rate that falls, and at a constant one.
  """
  header = "method", "settings", "95 % at the end", "space", "first", "found"
  rows: list[tuple[str, ...]] = [(*header, "score, falling", "score, constant")]
  for folder in sorted(TUNING.iterdir()):
    form, trials = read(folder)
    space: dict[str, tuple[float, float, bool]] = form["space"]
    tried = [trial for trial in trials if trial["seed"] == trials[0]["seed"]]
    there = sum(all(curve[-1] >= GOAL.threshold for curve in t["val_accuracy"]) for t in tried)
    ends = (f"{name} {low:g} to {high:g}" for name, (low, high, _) in space.items())
    first = (f"{name} {value:g}" for name, value in form["first"].items())
    chosen = found(folder.name)
    marked = [f"{n} {chosen[n]:g}{'*' * at_border(chosen[n], *space[n])}" for n in space]
    marked += ["constant rate"] * ("lr_end" in chosen)
    cells = map(", ".join, (ends, first, marked))
    scores = (_score(place / folder.name, [*space]) for place in (TUNING, CONSTANT))
    rows.append((folder.name, str(len(tried)), str(there), *cells, *scores))
  return tables.markdown(rows)


def _score(folder: Path, names: Sequence[str]) -> str:
  return f"{max(_means(read(folder)[1], names).values()):.2f}" if folder.exists() else "-"
