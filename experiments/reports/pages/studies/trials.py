"""Trials of a search: as its folder has them, which is the best, and the benchmark's table."""

import json
import math
import statistics
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.fields import UsageError
from experiments.files import read_json
from experiments.reports import tables
from experiments.reports.pages.markers import RESULTS, block
from experiments.reports.pages.studies.scores import GOAL, STUDY, methods

TUNING, CONSTANT = RESULTS / "benchmark_tuning", RESULTS / "benchmark_constant"
Trial = Mapping[str, Any]
FORM, LOG = "search.json", "trials.jsonl"


def read(folder: Path) -> tuple[dict[str, Any], list[Trial]]:
  """What was searched, and all that was trained for it.

  Raises:
    UsageError: if a file is missing or damaged, or the search has not ended.
  """
  form = read_json(folder / FORM)
  if not form or not (folder / LOG).exists():
    raise UsageError(f"{folder} must have a {FORM} and a {LOG}.")
  trials, sizes = whole_rounds(folder / LOG, form), _sizes(form)
  if len(trials) < sum(sizes):
    raise UsageError(
      f"{folder} has {len(trials)} of {sum(sizes)} trials: the command in its {FORM} resumes it."
    )
  return form, trials


def _sizes(form: Mapping[str, Any]) -> list[int]:
  """How many trials each round has."""
  return [*[form["trials"]] * form["rounds"], form["again"]]


def whole_rounds(log: Path, form: Mapping[str, Any]) -> list[Trial]:
  """The trials of rounds that have ended; a last line that was torn is left out.

  Raises:
    UsageError: naming the line that is no trial of this search.
  """
  *lines, _ = log.read_bytes().split(b"\n")
  rows = [_row(line, f"{log}, line {n},", form["space"]) for n, line in enumerate(lines, 1)]
  whole: list[Trial] = []
  for number, size in enumerate(_sizes(form)):
    own = [row for row in rows if row["round"] == number]
    if len(own) > size:
      raise UsageError(f"{log} has {len(own)} trials of round {number}, which has {size}.")
    if len(own) < size:
      break
    whole += own
  return whole


def _row(line: bytes, where: str, space: Collection[str]) -> Trial:
  try:
    row = json.loads(line)
    if any(not isinstance(row[name], int | float) for name in ("round", "seed", "score", *space)):
      raise TypeError
    np.asarray(row["val_accuracy"], float)
  except KeyError as error:
    raise UsageError(f"{where} is no trial: it has no {error.args[0]}.") from None
  except (ValueError, TypeError, RecursionError):
    raise UsageError(f"{where} is damaged: it is no trial.") from None
  return row


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
  """The best setting of a method, its rate falling or constant.

  Raises:
    UsageError: where a file is missing or damaged.
  """
  constant = read(CONSTANT / name)[1] if (CONSTANT / name).exists() else []
  return chosen(read(TUNING / name), constant)


def chosen(
  searched: tuple[Mapping[str, Any], list[Trial]], constant: list[Trial]
) -> dict[str, float]:
  """The best of a search and of trials at a constant rate; one of these has `lr_end` too."""
  form, falling = searched
  end = form["fixed"].get("lr_end", 1.0)
  rows = [{**row, "lr_end": end} for row in falling] + [{**row, "lr_end": 1.0} for row in constant]
  setting = best(rows, [*form["space"], "lr_end"])
  if setting["lr_end"] == end:
    del setting["lr_end"]
  return setting


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
  for folder in sorted(path for path in TUNING.iterdir() if path.is_dir()):
    if folder.name not in scored:
      raise UsageError(
        f"{folder.name} has trials and no scores: "
        f"python -m experiments.studies {STUDY} --part {folder.name}"
      )
    form, trials = read(folder)
    space: dict[str, tuple[float, float, bool]] = form["space"]
    tried = [trial for trial in trials if trial["seed"] == trials[0]["seed"]]
    there = sum(all(curve[-1] >= GOAL.threshold for curve in t["val_accuracy"]) for t in tried)
    ends = (f"{name} {low:g} to {high:g}" for name, (low, high, _) in space.items())
    first = (f"{name} {value:g}" for name, value in form["first"].items())
    setting = found(folder.name)
    marked = [f"{n} {setting[n]:g}{'*' * at_border(setting[n], *space[n])}" for n in space]
    marked += ["constant rate"] * ("lr_end" in setting)
    cells = map(", ".join, (ends, first, marked))
    scores = (_score(place / folder.name, [*space]) for place in (TUNING, CONSTANT))
    settings = f"{len(tried)} + {_constant(folder.name)}"
    rows.append((folder.name, settings, str(there), *cells, *scores))
  return tables.markdown(rows)


def _constant(name: str) -> int:
  """How many settings were tried at a constant rate."""
  return read(CONSTANT / name)[0]["trials"] if (CONSTANT / name).exists() else 0


def _score(folder: Path, names: Sequence[str]) -> str:
  if not folder.exists():
    return "not tried"
  return f"{max(_means(read(folder)[1], names).values()):.2f}"
