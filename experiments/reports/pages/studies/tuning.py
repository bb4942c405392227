"""The benchmark's table of searches: what was tried of each method, and what was found."""

import math
from collections.abc import Sequence
from pathlib import Path

from experiments.fields import UsageError
from experiments.reports import tables, trials
from experiments.reports.pages.markers import block
from experiments.reports.pages.studies.scores import GOAL, STUDY, methods


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

  Raises:
    UsageError: for a method with trials and no scores, which all other tables would leave out.
  """
  scored = {*methods(reference=True), *methods(reference=False)}
  header = "method", "settings", "95 % at the end", "space", "first", "found"
  rows: list[tuple[str, ...]] = [(*header, "score, falling", "score, constant")]
  for folder in sorted(path for path in trials.TUNING.iterdir() if path.is_dir()):
    if folder.name not in scored:
      raise UsageError(
        f"{folder.name} has trials and no scores: "
        f"python -m experiments.studies {STUDY} --part {folder.name}"
      )
    form, done = trials.read(folder)
    space: dict[str, tuple[float, float, bool]] = form["space"]
    tried = [trial for trial in done if trial["seed"] == done[0]["seed"]]
    there = sum(all(curve[-1] >= GOAL.threshold for curve in t["val_accuracy"]) for t in tried)
    ends = (f"{name} {low:g} to {high:g}" for name, (low, high, _) in space.items())
    first = (f"{name} {value:g}" for name, value in form["first"].items())
    setting = trials.found(folder.name)
    marked = [f"{n} {setting[n]:g}{'*' * at_border(setting[n], *space[n])}" for n in space]
    marked += ["constant rate"] * ("lr_end" in setting)
    cells = map(", ".join, (ends, first, marked))
    scores = (_score(place / folder.name, [*space]) for place in (trials.TUNING, trials.CONSTANT))
    settings = f"{len(tried)} + {_constant(folder.name)}"
    rows.append((folder.name, settings, str(there), *cells, *scores))
  return tables.markdown(rows)


def _constant(name: str) -> int:
  """How many settings were tried at a constant rate."""
  folder = trials.CONSTANT / name
  return trials.read(folder)[0]["trials"] if folder.exists() else 0


def _score(folder: Path, names: Sequence[str]) -> str:
  if not folder.exists():
    return "not tried"
  return f"{max(trials.means(trials.read(folder)[1], names).values()):.2f}"
