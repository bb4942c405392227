"""What a run's log says: when it memorised, when it reached its goal, and whether that lasted.

A record is a line of `metrics.jsonl`: `step`, and after that step the loss and the metrics of
both parts. Steps are those of evaluations; None means not reached.
"""

import dataclasses
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from experiments.tasks.task import Goal

MEMORISED = Goal("train_accuracy", 0.99)
STEPS_AFTER = 500  # so many steps must follow for a goal to count as sustained
TAIL_FRACTION = 0.1  # last_* is the median of this final share of the evaluations

Record = dict[str, Any]
Ending = Literal["budget", "held", "diverged"]


def first_step(records: Sequence[Record], goal: Goal) -> int | None:
  """The first step at which a goal is reached.

  >>> first_step([{"step": 10, "a": 0.1}, {"step": 20, "a": 0.9}], Goal("a", 0.5))
  20
  """
  return next((r["step"] for r in records if goal.reached(r)), None)


def start_of_last_stretch(records: Sequence[Record], goal: Goal) -> int | None:
  """The step from which the goal was never missed again."""
  start = None
  for record in reversed(records):
    if not goal.reached(record):
      break
    start = record["step"]
  return start


def held_steps(records: Sequence[Record], goal: Goal) -> int | None:
  """How many steps the goal has been held, up to the last evaluation.

  0 if it was missed again, None if it was never reached.
  """
  if first_step(records, goal) is None:
    return None
  start = start_of_last_stretch(records, goal)
  return 0 if start is None else records[-1]["step"] - start


def dips(records: Sequence[Record], goal: Goal) -> int | None:
  """Evaluations that miss a goal after its first crossing; None without one."""
  first = first_step(records, goal)
  if first is None:
    return None
  return sum(r["step"] > first and not goal.reached(r) for r in records)


def diverged(record: Mapping[str, Any]) -> bool:
  """Whether the training loss was not finite."""
  return record.get("train_loss", 0.0) is None


def diverged_step(records: Sequence[Record]) -> int | None:
  """The first step at which the training loss was not finite."""
  return next((r["step"] for r in records if diverged(r)), None)


@dataclasses.dataclass(frozen=True)
class StopRules:
  """When a member stops before its budget.

  Attributes:
    goal: what is to be held.
    stop_when_held: for how many steps; None never stops it.
  """

  goal: Goal | None = None
  stop_when_held: int | None = None


@dataclasses.dataclass
class RunningMember:
  """A member that is trained, as the host sees it.

  Attributes:
    label: stands in each of its lines in the log; empty for a run alone.
    budget: its steps, whole evaluations.
    rules: when it stops.
    last: its last record.
    held_since: the step from which it has held the goal up to now.
    ended: why, if it has.
  """

  label: dict[str, Any]
  budget: int
  rules: StopRules = StopRules()
  last: Record | None = None
  held_since: int | None = None
  ended: Ending | None = None

  @property
  def step(self) -> int:
    """Its last evaluation's."""
    return self.last["step"] if self.last else 0

  @property
  def holds(self) -> bool:
    """Whether it is at its goal."""
    return self.held_since is not None

  def update(self, record: Record) -> None:
    """Takes its next record into account."""
    self.last = record
    reached = self.rules.goal is not None and self.rules.goal.reached(record)
    self.held_since = (self.held_since or record["step"]) if reached else None
    self.ended = self._ending(record)

  def _ending(self, record: Record) -> Ending | None:
    if diverged(record):
      return "diverged"
    if record["step"] >= self.budget:
      return "budget"
    enough = self.rules.stop_when_held
    if enough is not None and self.held_since and record["step"] - self.held_since >= enough:
      return "held"
    return None


def ending(records: Sequence[Record], budget: int, rules: StopRules) -> Ending | None:
  """Why a log ends with its last record; None if the run did not finish."""
  member = RunningMember({}, budget, rules)
  for record in records:
    member.update(record)
    if member.ended == "diverged":
      break
  return member.ended


def _crossings(
  records: Sequence[Record], full_budget: bool, goals: Sequence[Goal]
) -> dict[str, int | None]:
  result = {}
  if not records or "train_accuracy" in records[0]:
    result["train_99_step"] = first_step(records, MEMORISED)
  for goal in goals:
    start = start_of_last_stretch(records, goal)
    long_enough = start is not None and records[-1]["step"] - start >= STEPS_AFTER
    result[f"{goal.name}_step"] = first_step(records, goal)
    result[f"{goal.name}_sustained_step"] = start if full_budget and long_enough else None
    result[f"{goal.name}_dips"] = dips(records, goal)
  return result | {"held_steps": held_steps(records, goals[0])}


def _best_and_last(records: Sequence[Record]) -> dict[str, float | None]:
  """Of each column of training and validation; what was not finite is the worst there is."""
  tail = records[-max(1, int(TAIL_FRACTION * len(records))) :]
  result = {}
  for name in records[0] if records else ():
    part, _, score = name.partition("_")
    if part not in ("train", "val"):
      continue
    more_is_better = score.endswith("accuracy")
    worst = -math.inf if more_is_better else math.inf
    values, at_the_end = (
      [worst if r[name] is None else r[name] for r in rows] for rows in (records, tail)
    )
    figures = {f"best_{name}": (max if more_is_better else min)(values)} if part == "val" else {}
    figures[f"last_{name}"] = statistics.median(at_the_end)
    result |= {name: value if math.isfinite(value) else None for name, value in figures.items()}
  return result


def summarise(
  records: Sequence[Record], *, full_budget: bool, goals: Sequence[Goal]
) -> dict[str, float | None]:
  """First crossings, the sustained ones, and the best and the last of each column.

  Args:
    records: of one run, in order.
    full_budget: whether the run went to the end of a budget fixed in advance. Only then can a
      goal be called sustained: from that evaluation on never missed, with at least 500 steps
      after it.
    goals: the goal first; none where the task has none.

  Returns:
    With 95 % validation accuracy as a goal `val_95_step`, `val_95_sustained_step`,
    `val_95_dips`; `train_99_step` where there is an accuracy; `held_steps` at the goal;
    `best_val_...` over the evaluations, and `last_...`, the median over the last tenth of them.
  """
  crossings = _crossings(records, full_budget, goals) if goals else {}
  return crossings | _best_and_last(records)
