"""What a run's log says: when it memorised, when it generalized, and whether that lasted.

A record is a line of `metrics.jsonl`: `step`, both losses and both accuracies after
that step. Steps are those of evaluations; None means not reached.
"""

from collections.abc import Sequence
from typing import Any

MEMORISED = 0.99
GENERALIZED = 0.95
STEPS_AFTER = 500  # so many steps must follow for an accuracy to count as sustained

Record = dict[str, Any]


def _reaches(record: Record, name: str, threshold: float) -> bool:
  value = record[name]
  return value is not None and value >= threshold


def first_step(records: Sequence[Record], name: str, threshold: float) -> int | None:
  """The first step at which `name` is at or above a threshold.

  >>> first_step([{"step": 10, "a": 0.1}, {"step": 20, "a": 0.9}], "a", 0.5)
  20
  """
  return next((r["step"] for r in records if _reaches(r, name, threshold)), None)


def _start_of_last_stretch(records: Sequence[Record]) -> int | None:
  """The step from which validation accuracy was never again under 95 %."""
  start = None
  for record in reversed(records):
    if not _reaches(record, "val_accuracy", GENERALIZED):
      break
    start = record["step"]
  return start


def held_steps(records: Sequence[Record]) -> int | None:
  """How many steps validation accuracy has stayed at 95 % or above, up to the last evaluation.

  0 if it fell under it again, None if it was never reached.
  """
  if first_step(records, "val_accuracy", GENERALIZED) is None:
    return None
  start = _start_of_last_stretch(records)
  return 0 if start is None else records[-1]["step"] - start


def summarise(records: Sequence[Record], *, full_budget: bool) -> dict[str, int | None]:
  """First crossings, the sustained one, and how long it was held.

  Args:
    records: of one run, in order.
    full_budget: whether the run went to the end of a budget fixed in advance. Only
      then can an accuracy be called sustained: from that evaluation on never under
      95 %, with at least 500 steps after it.
  """
  start = _start_of_last_stretch(records)
  long_enough = start is not None and records[-1]["step"] - start >= STEPS_AFTER
  return {
    "train_99_step": first_step(records, "train_accuracy", MEMORISED),
    "val_95_step": first_step(records, "val_accuracy", GENERALIZED),
    "val_95_sustained_step": start if full_budget and long_enough else None,
    "held_steps": held_steps(records),
  }
