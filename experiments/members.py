"""Members of a population as the host sees them: their logs, and when they end."""

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from jax.sharding import Mesh

from experiments import summary
from experiments.population import Start
from experiments.summary import Record
from experiments.training import Evaluations, Train

CHUNK_STEPS = 100  # at most, between two looks at the metrics


class Member(NamedTuple):
  """One run.

  Attributes:
    label: stands in each of its lines in the log.
    start: makes what it begins with, when it gets its place.
  """

  label: dict[str, Any]
  start: Callable[[], Start]


@dataclasses.dataclass
class Active:
  """A member in its place, or one that is about to leave it.

  Attributes:
    index: among its program's members.
    label: of its lines in the log.
    budget: its steps.
    records: its log so far.
    ended: why, if it has.
  """

  index: int
  label: dict[str, Any]
  budget: int
  records: list[Record] = dataclasses.field(default_factory=list)
  ended: str | None = None

  @property
  def step(self) -> int:
    return self.records[-1]["step"] if self.records else 0


class Program(NamedTuple):
  """Members that share one compiled program.

  Attributes:
    train: the training functions.
    members: in the order in which they get places.
    steps: the budget of each.
    epoch: steps in an epoch.
    interval: steps from one evaluation to the next, a multiple of an epoch.
    width: places side by side.
    chunk: evaluations at a time. None leaves it to the clock, which is for one place only:
      where there are more, members begin at the ends of chunks, and a ring's slot then
      would not be the same in each run.
    mesh: the devices, as `Population` takes it.
    same_split: whether all members have the same data.
  """

  train: Train
  members: Sequence[Member]
  steps: int
  epoch: int
  interval: int
  width: int = 1
  chunk: int | None = None
  mesh: Mesh | None = None
  same_split: bool = False

  @property
  def room(self) -> int:
    """Evaluations in a chunk, at most. Not of the budget: programs of all lengths are one."""
    return max(1, CHUNK_STEPS // self.interval)

  def active(self, index: int) -> Active:
    """A member at its beginning."""
    return Active(index, self.members[index].label, self.steps)


@dataclasses.dataclass(frozen=True)
class Rules:
  """When a member ends before its budget, and how often all is kept.

  Attributes:
    goal: a validation accuracy.
    stop_when_held: a member ends once it has held the goal for so many steps.
    checkpoint_every: seconds from one checkpoint to the next, at least.
  """

  goal: float | None = None
  stop_when_held: int | None = None
  checkpoint_every: float = 30.0

  def ending(self, records: Sequence[Record], steps: int) -> str | None:
    """Why a log ends with its last record: "budget", "held" or "diverged"; None if it does not."""
    if summary.diverged_step(records[-1:]) is not None:
      return "diverged"
    if records[-1]["step"] >= steps:
      return "budget"
    if self.stop_when_held is not None and self.goal is not None:
      held = summary.held_steps(records, self.goal)
      return "held" if held is not None and held >= self.stop_when_held else None
    return None


def pieces(left: int, epoch: int) -> Iterator[tuple[int, int, int]]:
  """The end of a budget that is no whole evaluation, as (evaluations, epochs, epoch_steps).

  >>> list(pieces(17, epoch=5)), list(pieces(2, epoch=5))
  ([(1, 3, 5), (1, 1, 2)], [(1, 1, 2)])
  """
  if left >= epoch:
    yield 1, left // epoch, epoch
  if left % epoch:
    yield 1, 1, left % epoch


def _rounded(value: float) -> float:
  """Seven digits, which is all that a float32 has."""
  return float(f"{value:.7g}") if isinstance(value, float) else value


def records_of(table: Evaluations, rows: int) -> list[Record]:
  """The first rows as plain numbers, the step first; what is not finite is None, as JSON has it."""
  names = ["step", *(name for name in table if name != "step")]
  plain = ({name: table[name][i].item() for name in names} for i in range(rows))
  return [{n: _rounded(v) if math.isfinite(v) else None for n, v in row.items()} for row in plain]
