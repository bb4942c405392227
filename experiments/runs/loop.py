"""The host's side of training: what is dispatched, logged, stopped, and kept in checkpoints.

Members of a program train in waves, as many at a time as it has places. A chunk of evaluations
is dispatched; while the device computes it, the rows of the chunk before are read and logged. A
member that has ended idles until its wave is over.
"""

import sys
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


class Position(NamedTuple):
  """Where a loop is, as a checkpoint keeps it beside the arrays.

  Attributes:
    program: which.
    first: which of its members is the first of the wave.
    width: places; None until it has been opened.
    evaluations: of the wave so far; the state is that after them.
    log: bytes.
    log_digest: of these.
    settings_digest: of the settings' file.
    seconds: of training so far.
    compile_seconds: likewise.
  """

  program: int = 0
  first: int = 0
  width: int | None = None
  evaluations: int = 0
  log: int = 0
  log_digest: str = ""
  settings_digest: str = ""
  seconds: float = 0.0
  compile_seconds: float = 0.0


def _position(saved: Any) -> Position | None:
  """What a checkpoint says; None if it is of another form."""
  kinds = {
    name: (int, type(None)) if name == "width" else type(default)
    for name, default in Position()._asdict().items()
  }
  if not isinstance(saved, dict) or saved.keys() != kinds.keys():
    return None
  numbers = {n: float(v) if kinds[n] is float and type(v) is int else v for n, v in saved.items()}
  return Position(**saved) if all(isinstance(numbers[n], kinds[n]) for n in kinds) else None


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
    self._position, self._arrays = self._checkpoint() if resume else (Position(), [])
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

  def _checkpoint(self) -> tuple[Position, list[Any]]:
    """The newest checkpoint that fits what is on the disk.

    Raises:
      UsageError: if there is a log, and none does; or if the log up to there, or the settings, are
        not what they were.
    """
    log = self._folder / LOG
    size = log.stat().st_size if log.exists() else 0
    skipped: list[str] = []
    for file, saved, arrays in checkpoints.saved(self._folder, skipped):
      if (position := _position(saved)) is None:
        skipped.append(f"{file}: it is of another version")
      elif position.log > size:
        skipped.append(f"{file}: the log is shorter than it says")
      else:
        self._check_unchanged(position)
        for line in skipped:
          print(f"skipping {line}", file=sys.stderr)
        return position, arrays
    if size or checkpoints.exist(self._folder):
      raise UsageError(
        f"cannot resume {self._folder}: no checkpoint in it can be read; its log stays as it is."
      )
    return Position(), []

  def _check_unchanged(self, position: Position) -> None:
    """Raises a `UsageError` for files that are not what they were at a checkpoint."""
    digests = {LOG: position.log_digest, SETTINGS: position.settings_digest}
    sizes = {LOG: position.log, SETTINGS: None}
    for name, was in digests.items():
      if digest(self._folder / name, sizes[name]).hexdigest() != was:
        raise UsageError(
          f"cannot resume {self._folder}: its {name} was changed since it was written; "
          "all files stay as they are."
        )

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
      log_digest=self._log.digest,
      settings_digest=digest(self._folder / SETTINGS).hexdigest(),
      seconds=round(self._seconds, 3),
      compile_seconds=round(self._compile_seconds, 3),
    )
    arrays = devices.gathered(population.state) if population else []
    if devices.is_writer():
      checkpoints.save(self._folder, arrays, position._asdict())
