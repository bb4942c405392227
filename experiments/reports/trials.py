"""Trials of a search: as its folder has them, and which setting is the best."""

import json
import statistics
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.fields import UsageError
from experiments.files import RESULTS, read_json

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
  scores = means(trials, names)
  return dict(zip(names, max(scores, key=lambda values: scores[values]), strict=True))


def means(trials: Sequence[Trial], names: Sequence[str]) -> dict[tuple[float, ...], float]:
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
