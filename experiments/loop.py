"""The host's side of training: what is logged, when a member ends, what survives a kill.

A run is a population of one member, a sweep one of many; both go through here. On the
device a chunk of evaluations passes; then its rows are logged, members that have ended
leave their places to waiting ones, and now and then all is kept in a checkpoint.
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from experiments import hosts, journal
from experiments.checkpoints import Checkpoints
from experiments.journal import Journal
from experiments.members import Active, Program, Rules, pieces, records_of
from experiments.population import Population, populate
from experiments.signals import stop_requests
from experiments.summary import Record

CHUNK_SECONDS = 2.0  # if an evaluation does not take longer


class Watcher(Protocol):
  """Shows the user where the work is."""

  def begin(self, active: Sequence[Active]) -> None:
    """Is told of the members in their places before a program's first chunk."""

  def update(self, seen: Sequence[Active]) -> None:
    """Is told after each chunk of the members that were trained in it."""


class Position(NamedTuple):
  """Where a loop is, as a checkpoint keeps it beside the arrays.

  Attributes:
    program: which.
    places: the member in each place, or None.
    waiting: the first member that has not had a place.
    log: bytes.
    seconds: of training so far.
    compile_seconds: likewise.
  """

  program: int = 0
  places: Sequence[int | None] = ()
  waiting: int = 0
  log: int = 0
  seconds: float = 0.0
  compile_seconds: float = 0.0


class Outcome(NamedTuple):
  """What a loop leaves beside its log.

  Attributes:
    seconds: of training.
    compile_seconds: of compilation.
    stopped: whether a signal ended it.
    population: the last one.
  """

  seconds: float
  compile_seconds: float
  stopped: bool
  population: Population


class Loop:
  """Trains programs one after another, from where their folder's last checkpoint has them.

  Args:
    programs: what to train, at least one.
    folder: of the run, with its log and checkpoints.
    rules: when members end.
    watcher: is told after each chunk.
  """

  def __init__(self, programs: Sequence[Program], folder: Path, rules: Rules, watcher: Watcher):
    self._programs, self._folder = programs, folder
    self._rules, self._watcher = rules, watcher
    self._seconds = self._compile_seconds = 0.0

  def run(self) -> Outcome:
    """Trains until all members have ended, or a signal comes.

    Raises:
      OSError: naming the file that could not be written.
      KeyboardInterrupt: at the second signal; the log is there, and the last checkpoint.
    """
    with stop_requests() as self._stops, Checkpoints(self._folder) as self._checkpoints:
      position, population = self._resumed()
      self._seconds = position.seconds
      self._compile_seconds += position.compile_seconds
      self._saved = time.monotonic()
      with Journal(self._folder, position.log) as self._journal:
        done = self._train(position, population)
        for number in range(position.program + 1, len(self._programs)):
          if not done:
            break
          del population  # before there is another one
          position, population = self._opened(Position(number))
          done = self._train(position, population)
      return Outcome(self._seconds, self._compile_seconds, not done, population)

  def _resumed(self) -> tuple[Position, Population]:
    """The newest checkpoint that fits what is on the disk; else the beginning."""
    log = self._folder / journal.NAME
    size = log.stat().st_size if log.exists() else 0
    for number, saved in self._checkpoints.positions():
      try:
        position = Position(**saved)
        if position.log > size:
          raise ValueError("the log is shorter than it says")
        position, population = self._opened(position)
        population.state = self._checkpoints.arrays(number, population.state)
        return position, population
      except Exception as error:  # whatever is wrong with it, the one before may do
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        print(f"checkpoint {number} is left out: {reason:.200}", file=sys.stderr)
        self._checkpoints.leave(number)
    return self._opened(Position())

  def _opened(self, position: Position) -> tuple[Position, Population]:
    """A program with its members in their places, at their beginnings."""
    program = self._programs[position.program]
    if not position.places:
      first = min(program.width, len(program.members))
      places = [*range(first), *[None] * (program.width - first)]
      position = position._replace(places=places, waiting=first)
    starts = [program.members[index or 0].start() for index in position.places]
    begun = time.monotonic()
    population = populate(
      program.train,
      starts,
      room=program.room,
      mesh=program.mesh,
      same_split=program.same_split,
    )
    self._compile_seconds += time.monotonic() - begun
    return position, population

  def _train(self, position: Position, population: Population) -> bool:
    """Trains a program's members; False if a signal stopped it before their end."""
    program, waiting = self._programs[position.program], position.waiting
    places, chunk, stopped = self._active(position), program.chunk or 1, False
    if any(places):
      self._watcher.begin([active for active in places if active])
    while any(places) and not (stopped := hosts.any_of(bool(self._stops))):
      begun = time.monotonic()
      tables = self._advanced(program, population, places, chunk)
      if program.chunk is None:
        pace = (time.monotonic() - begun) / len(tables[0])
        chunk = max(1, min(program.room, int(CHUNK_SECONDS / pace)))
      seen = self._log(places, tables, self._seconds + time.monotonic() - begun)
      for place, active in enumerate(places):
        if active and active.ended:
          places[place] = None
          if waiting < len(program.members):
            population.put(place, program.members[waiting].start())
            places[place], waiting = program.active(waiting), waiting + 1
      self._seconds += time.monotonic() - begun
      self._watcher.update(seen)  # what it takes is not training
      position = position._replace(places=[a and a.index for a in places], waiting=waiting)
      if hosts.agreed(time.monotonic() - self._saved >= self._rules.checkpoint_every):
        self._keep(position, population)
    if stopped:
      self._keep(position, population)
      self._checkpoints.wait()
    return not stopped

  def _active(self, position: Position) -> list[Active | None]:
    """The members in their places, with what the log has of them."""
    program = self._programs[position.program]
    places = [None if index is None else program.active(index) for index in position.places]
    logged = {tuple(active.label.items()): active.records for active in places if active}
    names = tuple(program.members[0].label)
    for record in journal.read_log(self._folder / journal.NAME, position.log):
      if (label := tuple((name, record[name]) for name in names)) in logged:
        logged[label].append(record)
    return places

  def _advanced(
    self, program: Program, population: Population, places: Sequence[Active | None], chunk: int
  ) -> list[list[Record]]:
    """The records of each place after so many evaluations; or those of the ends of budgets."""
    left = [None if active is None else active.budget - active.step for active in places]
    whole = min(steps for steps in left if steps is not None) // program.interval
    if whole:
      piece = min(chunk, whole), program.interval // program.epoch, program.epoch
      return [records_of(table, piece[0]) for table in population.advance(*piece)]
    tables: list[list[Record]] = [[] for _ in places]
    for place, steps in enumerate(left):
      if steps is not None and steps < program.interval:
        alone = population.alone(place)
        ends = (alone.advance(*piece)[0] for piece in pieces(steps, program.epoch))
        tables[place] = [record for table in ends for record in records_of(table, 1)]
    return tables

  def _log(
    self,
    places: Sequence[Active | None],
    tables: Sequence[Sequence[Record]],
    seconds: float,
  ) -> list[Active]:
    """Appends what each member has done, to its end and not beyond; returns who has."""
    lines, seen = [], []
    for active, table in zip(places, tables, strict=True):
      if active is None or not table:
        continue
      seen.append(active)
      for record in table:
        active.records.append(record)
        lines.append({**active.label, **record, "seconds": round(seconds, 3)})
        active.ended = self._rules.ending(active.records, active.budget)
        if active.ended:
          break
    self._journal.append(lines)
    return seen

  def _keep(self, position: Position, population: Population) -> None:
    now = position._replace(
      log=self._journal.kept(),
      seconds=round(self._seconds, 3),
      compile_seconds=round(self._compile_seconds, 3),
    )
    self._checkpoints.save(population.state, now._asdict())
    self._saved = time.monotonic()
