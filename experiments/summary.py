"""What a run's log says: when it memorised, when it generalized, and whether that lasted.

A record is a line of `metrics.jsonl`: `step`, and after that step the loss and, where
there is one, the accuracy of both parts. Steps are those of evaluations; None means
not reached.
"""

import math
import statistics
from collections.abc import Sequence
from typing import Any

MEMORISED = 0.99
STEPS_AFTER = 500  # so many steps must follow for an accuracy to count as sustained
AT_THE_END = 0.1  # of the evaluations: one alone may be an odd one

Record = dict[str, Any]


def percent(threshold: float) -> str:
  """An accuracy in the names of a summary.

  >>> percent(0.95)
  '95'
  """
  return f"{100 * threshold:.3g}"


def _reaches(record: Record, name: str, threshold: float) -> bool:
  value = record[name]
  return value is not None and value >= threshold


def first_step(records: Sequence[Record], name: str, threshold: float) -> int | None:
  """The first step at which `name` is at or above a threshold.

  >>> first_step([{"step": 10, "a": 0.1}, {"step": 20, "a": 0.9}], "a", 0.5)
  20
  """
  return next((r["step"] for r in records if _reaches(r, name, threshold)), None)


def _start_of_last_stretch(records: Sequence[Record], threshold: float) -> int | None:
  """The step from which validation accuracy was never again under the threshold."""
  start = None
  for record in reversed(records):
    if not _reaches(record, "val_accuracy", threshold):
      break
    start = record["step"]
  return start


def held_steps(records: Sequence[Record], threshold: float) -> int | None:
  """How many steps validation accuracy has stayed at a threshold, up to the last evaluation.

  0 if it fell under it again, None if it was never reached.
  """
  if first_step(records, "val_accuracy", threshold) is None:
    return None
  start = _start_of_last_stretch(records, threshold)
  return 0 if start is None else records[-1]["step"] - start


def dips(records: Sequence[Record], threshold: float) -> int | None:
  """Evaluations under a threshold after its first crossing; None without one."""
  first = first_step(records, "val_accuracy", threshold)
  if first is None:
    return None
  return sum(r["step"] > first and not _reaches(r, "val_accuracy", threshold) for r in records)


def diverged_step(records: Sequence[Record]) -> int | None:
  """The first step at which the training loss was not finite."""
  return next((r["step"] for r in records if r.get("train_loss", 0.0) is None), None)


def _crossings(
  records: Sequence[Record], full_budget: bool, thresholds: Sequence[float]
) -> dict[str, int | None]:
  result = {"train_99_step": first_step(records, "train_accuracy", MEMORISED)}
  for threshold in thresholds:
    start = _start_of_last_stretch(records, threshold)
    long_enough = start is not None and records[-1]["step"] - start >= STEPS_AFTER
    name = f"val_{percent(threshold)}"
    result[f"{name}_step"] = first_step(records, "val_accuracy", threshold)
    result[f"{name}_sustained_step"] = start if full_budget and long_enough else None
    result[f"{name}_dips"] = dips(records, threshold)
  return result | {"held_steps": held_steps(records, thresholds[0])}


def _best_and_last(records: Sequence[Record]) -> dict[str, float | None]:
  """Of each column of training and validation; what was not finite is the worst there is."""
  last = records[-max(1, int(AT_THE_END * len(records))) :]
  result = {}
  for name in records[0] if records else ():
    part, _, score = name.partition("_")
    if part not in ("train", "val"):
      continue
    more_is_better = score.endswith("accuracy")
    worst = -math.inf if more_is_better else math.inf
    values, at_the_end = (
      [worst if r[name] is None else r[name] for r in rows] for rows in (records, last)
    )
    figures = {f"best_{name}": (max if more_is_better else min)(values)} if part == "val" else {}
    figures[f"last_{name}"] = statistics.median(at_the_end)
    result |= {name: value if math.isfinite(value) else None for name, value in figures.items()}
  return result


def summarise(
  records: Sequence[Record], *, full_budget: bool, thresholds: Sequence[float] = (0.95,)
) -> dict[str, float | None]:
  """First crossings, the sustained ones, and the best and the last of each column.

  Args:
    records: of one run, in order.
    full_budget: whether the run went to the end of a budget fixed in advance. Only
      then can an accuracy be called sustained: from that evaluation on never under
      the threshold, with at least 500 steps after it.
    thresholds: of validation accuracy, the goal first; none where there is no accuracy.

  Returns:
    With 95 % as a threshold `val_95_step`, `val_95_sustained_step`, `val_95_dips`;
    `train_99_step`; `held_steps` at the goal; `best_val_...` over the evaluations, and
    `last_...`, the median over the last tenth of them.
  """
  crossings = _crossings(records, full_budget, thresholds) if thresholds else {}
  return crossings | _best_and_last(records)
