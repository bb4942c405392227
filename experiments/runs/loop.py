"""The host's side of training: what is dispatched, logged, stopped, and kept in checkpoints.

Members of a program train in waves, as many at a time as it has places. A chunk of evaluations
is dispatched; while the device computes it, the rows of the chunk before are read and logged. A
member that has ended idles until its wave is over.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import jax

from experiments.fields import UsageError
from experiments.files import digest
from experiments.runs import checkpoints
from experiments.runs.folder import LOG, SETTINGS
from experiments.runs.log import Log, read_log, record_of
from experiments.runs.outcomes import RunningMember, StopRules
from experiments.runs.plan import Program
from experiments.runs.position import Position, resumed
from experiments.runs.signals import stop_requests
from experiments.training import devices
from experiments.training.population import MemberInit, Population

CHUNK_SECONDS = 2.0  # of a chunk, if an evaluation does not take longer


class Watcher(Protocol):
  """Shows the user where the work is."""

  def begin(self, running: Sequence[RunningMember]) -> None:
    """Is told of the members of a wave before they train."""

  def update(self, running: Sequence[RunningMember]) -> None:
    """Is told after each chunk of the members that were trained in it."""


class Outcome(NamedTuple):
  """What a loop leaves beside its log.

  Attributes:
    seconds: of training.
    compile_seconds: of compilation.
    interrupted: whether a signal ended it.
    population: the last one.
    step: that of its state.
  """

  seconds: float
  compile_seconds: float
  interrupted: bool
  population: Population
  step: int


class Loop:
  """Trains programs one after another, from where their folder's last checkpoint has them.

  Args:
    programs: what to train, at least one.
    labels: position in the sweep -> what stands in each line of that member's log.
    rules: when members stop before their budget.
    folder: of the run, with its log and checkpoints.
    watcher: is told after each chunk.
    resume: whether there is one to resume.
    checkpoint_every: seconds from one checkpoint to the next, at least.

  Raises:
    UsageError: if no checkpoint fits what is in the folder; nothing there has changed.
  """

  def __init__(
    self,
    programs: Sequence[Program],
    labels: Callable[[int], dict[str, Any]],
    rules: StopRules,
    folder: Path,
    watcher: Watcher,
    *,
    resume: bool = False,
    checkpoint_every: float = 30.0,
  ):
    self._programs, self._labels, self._rules = programs, labels, rules
    self._folder, self._watcher, self._every = folder, watcher, checkpoint_every
    self._position, self._arrays = resumed(folder) if resume else (Position(), [])
    self._seconds = self._position.seconds
    self._compile_seconds = self._position.compile_seconds

  def open(self) -> None:
    """Compiles the first program that is trained, and puts its members where they were.

    Raises:
      UsageError: if they were members of another program.
    """
    self._population = self._opened(self._position)
    self._position = self._position._replace(width=self._population.width)
    self._population.begin(self._inits(self._position))
    if self._arrays:
      try:
        self._population.restore(self._arrays)
      except ValueError as error:
        raise UsageError(f"cannot resume {self._folder}: {error} than this one.") from None
    self._arrays = []

  def run(self) -> Outcome:
    """Trains until all members have ended, or a signal comes.

    Raises:
      OSError: naming the file that could not be written.
      KeyboardInterrupt: at the second signal; the log is there, and the last checkpoint.
    """
    position, population, following = self._position, self._population, None
    del self._population  # this frame alone holds it
    with stop_requests() as self._stops, Log(self._folder, position.log) as self._log:
      while True:
        position, done = self._wave(position, population)
        if not done or (following := self._next(position)) is None:
          break
        if following.program != position.program:
          del population  # before there is another one
          population = self._opened(following)
        position = following._replace(width=population.width)
        population.begin(self._inits(position))
    step = position.evaluations * self._programs[position.program].interval
    return Outcome(self._seconds, self._compile_seconds, not done, population, step)

  def _opened(self, position: Position) -> Population:
    begun = time.monotonic()
    population = self._programs[position.program].open(position.width)
    self._compile_seconds += time.monotonic() - begun
    return population

  def _positions(self, position: Position) -> Sequence[int]:
    """Positions in the sweep of a wave's members."""
    members = self._programs[position.program].members
    return members[position.first : position.first + (position.width or 1)]

  def _inits(self, position: Position) -> list[MemberInit]:
    return [self._programs[position.program].init(i) for i in self._positions(position)]

  def _next(self, position: Position) -> Position | None:
    """The beginning of the next wave; None after the last one."""
    first = position.first + (position.width or 1)
    if first < len(self._programs[position.program].members):
      return position._replace(first=first, evaluations=0)
    if position.program + 1 < len(self._programs):
      return Position(position.program + 1)
    return None

  def _members(self, position: Position) -> list[RunningMember]:
    """The members of a wave, with what the log has of them."""
    program = self._programs[position.program]
    running = [
      RunningMember(self._labels(i), program.budget, self._rules) for i in self._positions(position)
    ]
    if position.evaluations:
      by_label = {tuple(member.label.items()): member for member in running}
      names = tuple(running[0].label)
      for record in read_log(self._folder / LOG, position.log):
        member = by_label.get(tuple((name, record[name]) for name in names))
        if member and not member.ended:
          member.update(record)
    return running

  def _wave(self, position: Position, population: Population) -> tuple[Position, bool]:
    """Trains the members of a wave; False if a signal stopped it before their end."""
    program = self._programs[position.program]
    running = self._members(position)
    dispatched, whole = position.evaluations, program.budget // program.interval
    chunk, pace, saved_at = 1, 0.0, time.monotonic()
    pending: list[Any] = []
    if not position.evaluations:
      self._keep(position, None)
    self._watcher.begin(running)
    since = time.monotonic()
    while True:
      stopped = devices.any_of(bool(self._stops))
      ended = all(member.ended for member in running)
      due = devices.agreed(time.monotonic() - saved_at >= self._every)
      following: list[Any] = []
      if not (stopped or ended or (due and pending)):
        following = [population.advance() for _ in range(min(chunk, whole - dispatched))]
        dispatched += len(following)
      if pending:
        rows = jax.device_get(pending)  # waits, while the next chunk computes
        now = time.monotonic()
        pace = (now - since) / len(pending)
        self._seconds, since = self._seconds + now - since, now
        seen = self._logged(running, [population.rows(row) for row in rows])
        chunk = devices.agreed(max(1, int(CHUNK_SECONDS / max(pace, 1e-9))))
        self._watcher.update(seen)
        idle = time.monotonic() - now - pace * len(following)
        since += max(0.0, idle)  # what a watcher takes longer than the device is not training
      pending = following
      if not pending:
        position = position._replace(evaluations=dispatched)
        if stopped or not (ended or dispatched == whole):
          self._keep(position, population)
          saved_at = since = time.monotonic()
        if stopped or ended or dispatched == whole:
          return position, not stopped or all(member.ended for member in running)

  def _logged(
    self, running: Sequence[RunningMember], rows: Sequence[Sequence[dict[str, Any]]]
  ) -> list[RunningMember]:
    """Appends what each member has done, to its end and not beyond; returns who was trained."""
    seen = [member for member in running if not member.ended]
    lines = []
    for at in rows:
      for member, row in zip(running, at, strict=False):
        if not member.ended:
          record = record_of(row)
          member.update(record)
          lines.append({**member.label, **record, "seconds": round(self._seconds, 3)})
    self._log.append(lines)
    return seen

  def _keep(self, position: Position, population: Population | None) -> None:
    """Saves a checkpoint; without a population, of the beginning of its wave."""
    position = position._replace(
      log=self._log.sync(),
      sha256={LOG: self._log.digest, SETTINGS: digest(self._folder / SETTINGS).hexdigest()},
      seconds=round(self._seconds, 3),
      compile_seconds=round(self._compile_seconds, 3),
    )
    arrays = devices.gathered(population.state) if population else []
    if devices.is_writer():
      checkpoints.save(self._folder, arrays, position._asdict())
