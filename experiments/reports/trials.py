"""Trials of a search, as its folder has them, and which is the best."""

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

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
  scores: dict[tuple[float, ...], dict[int, float]] = {}
  for trial in trials:
    own = scores.setdefault(tuple(trial[name] for name in names), {})
    own[trial["seed"]] = trial["score"]
  values = max(scores, key=lambda v: (len(scores[v]), statistics.mean(scores[v].values())))
  return dict(zip(names, values, strict=True))


def at_border(value: float, low: float, high: float, log: bool) -> bool:
  """Whether a value is within a twentieth of its space from one of the ends.

  >>> at_border(0.9, 0.0, 1.0, False), at_border(0.98, 0.0, 1.0, False)
  (False, True)
  >>> at_border(0.11, 0.1, 10.0, True), at_border(0.2, 0.1, 10.0, True)
  (True, False)
  """
  a, b, x = map(math.log, (low, high, value)) if log else (low, high, value)
  return not a + 0.05 * (b - a) <= x <= b - 0.05 * (b - a)
