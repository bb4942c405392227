"""What a sweep will do: which members share a program, how many at once, memory and time."""

import dataclasses
import functools
import math
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments import hosts, methods, runs
from experiments.cli import UsageError
from experiments.experiment import Experiment
from experiments.loop import CHUNK_SECONDS
from experiments.members import Member, Program
from experiments.population import RUNS, mesh_of, populate
from experiments.training import count, steps_per_epoch

MEMORY_SHARE = 0.8  # of what is free
ROUNDS = 5  # of a measurement


def grouped(experiment: Experiment, members: Sequence[Any]) -> list[list[int]]:
  """Positions of the members that share a program: they differ in numbers and in data only."""
  names = [field.name for field in dataclasses.fields(methods.MethodSettings)]
  free = {"seed", *names, *experiment.choices} - set(methods.SHAPING)
  groups: dict[Any, list[int]] = {}
  for index, settings in enumerate(members):
    shape = tuple(v for name, v in dataclasses.asdict(settings).items() if name not in free)
    groups.setdefault(shape, []).append(index)
  return list(groups.values())


def programs_of(
  experiment: Experiment, members: Sequence[Any]
) -> tuple[list[Program], Mapping[str, Any]]:
  """The programs of resolved settings, with one place each, and where their data is from.

  Raises:
    UsageError: if the data is not there, or evaluations are too far apart.
  """
  programs, origin = [], {}
  for group in grouped(experiment, members):
    settings = members[group[0]]
    first, origin = experiment.start(settings)
    epoch = steps_per_epoch(count(first.split.train), settings.batch_size)
    runs.check_interval(settings, epoch)
    start = functools.partial(
      experiment.start, split=first.split if experiment.same_split else None
    )
    program = Program(
      train=experiment.make(settings),
      members=[
        Member({"member": index}, lambda start=start, index=index: start(members[index])[0])
        for index in group
      ],
      steps=settings.steps,
      epoch=epoch,
      interval=settings.eval_every * epoch,
      same_split=experiment.same_split,
    )
    programs.append(program)
  return programs, origin


def member_bytes(program: Program) -> int:
  """Memory that one more member keeps: its state, and its data where that is its own."""
  start = program.members[0].start()
  state = jax.eval_shape(program.train.start, start.key, start.numbers)
  leaves = jax.tree.leaves((state, () if program.same_split else start.split))
  return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in leaves)


def free_bytes() -> int:
  """Memory that can be had now: of all devices, or of the machine where they share its."""
  stats = jax.local_devices()[0].memory_stats() or {}
  if "bytes_limit" in stats:
    return jax.device_count() * (stats["bytes_limit"] - stats["bytes_in_use"])
  return jax.process_count() * os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


class Measured(NamedTuple):
  """What was measured of a program.

  Attributes:
    program: with its places.
    pace: steps a second, of all members together.
    evaluation: seconds for an evaluation with the steps before it.
    temporary: bytes that it needs while it runs.
  """

  program: Program
  pace: float
  evaluation: float
  temporary: int


def measured(program: Program) -> Measured:
  """Runs a few evaluations; nothing is kept of them."""
  starts = [program.members[i % len(program.members)].start() for i in range(program.width)]
  population = populate(
    program.train, starts, room=program.room, mesh=program.mesh, same_split=program.same_split
  )
  piece = 1, program.interval // program.epoch, program.epoch
  population.advance(*piece)
  seconds = []
  for _ in range(ROUNDS):
    begun = time.monotonic()
    population.advance(*piece)
    seconds.append(time.monotonic() - begun)
  evaluation = sorted(seconds)[ROUNDS // 2]
  analysis = population.program.memory_analysis()
  temporary = analysis.temp_size_in_bytes if analysis else 0
  pace = min(program.width, len(program.members)) * program.interval / evaluation
  return Measured(program, pace, evaluation, temporary)


def with_places(program: Program, width: int, data: int = 1, *, exact: bool = False) -> Program:
  """The program with so many places or, to fill all devices, a few more.

  Args:
    program: what to place.
    width: places. One is on one device.
    data: devices that share a member.
    exact: no more places than `width`, for a program that goes on; some devices may be idle.

  Raises:
    UsageError: if several processes cannot share exactly so many places.
  """
  several = jax.process_count() > 1
  devices = jax.devices() if several else jax.devices()[: width * data]
  if exact and width % (len(devices) // data):
    if several:
      raise UsageError(f"{width} places cannot be shared by {len(devices)} devices: use others.")
    shards = max(n for n in range(1, len(devices) // data + 1) if width % n == 0)
    devices = devices[: shards * data]
  if len(devices) == 1:
    return program._replace(width=width)
  mesh = mesh_of(devices, data)
  shards = mesh.shape[RUNS]
  return program._replace(width=-(-width // shards) * shards, mesh=mesh)


def with_chunk(program: Program, evaluation: float) -> Program:
  """The program with its chunk, which the clock may decide for one place but not for more."""
  if program.width == 1 and program.mesh is None:
    return program
  chunk = max(1, min(program.room, int(CHUNK_SECONDS / evaluation)))
  return program._replace(chunk=hosts.agreed(chunk))


def chosen(program: Program, at_once: int | None, data: int = 1) -> tuple[Program, list[Measured]]:
  """The program with as many places as the user wants, or as serve it best; and what was measured.

  One member at a time is tried against as many as fit.
  """
  if at_once:
    tried = [measured(with_places(program, min(at_once, len(program.members)), data))]
  else:
    tried = [measured(with_places(program, 1, data))]
    each = member_bytes(program) + tried[0].temporary
    fit = int(MEMORY_SHARE * free_bytes() / data / each)
    if (many := hosts.agreed(min(len(program.members), fit))) > 1:
      tried.append(measured(with_places(program, many, data)))
  best = tried[hosts.agreed(int(np.argmax([m.pace for m in tried])))]
  return with_chunk(best.program, best.evaluation), tried


def placed(
  programs: Sequence[Program], at_once: int | None, data: int = 1
) -> tuple[list[Program], list[Measured]]:
  """All programs with their places. The first is measured, and stands for the others."""
  first, tried = chosen(programs[0], at_once, data)
  others = []
  for program in programs[1:]:
    width = min(first.width, len(program.members))
    others.append(with_places(program, width, data)._replace(chunk=first.chunk))
  return [first, *others], tried


def text(members: Sequence[Any], programs: Sequence[Program], tried: Sequence[Measured]) -> str:
  """The plan in words."""
  lines = [f"{len(members):,} members in {len(programs)} program{'s' * (len(programs) > 1)}:"]
  total = 0
  for program in programs:
    first = members[program.members[0].label["member"]]
    size = member_bytes(program)
    total += len(program.members) * program.steps
    lines.append(
      f"  {len(program.members):,} of {first.method}, {program.steps:,} steps, "
      f"{program.width} at once, {size / 1e6:,.1f} MB each, {program.width * size / 1e6:,.0f} MB"
    )
  best = max(tried, key=lambda m: m.pace)
  lines += [f"measured: {m.program.width} at once, {m.pace:,.1f} member-steps/s" for m in tried]
  hours, minutes = divmod(math.ceil(total / best.pace / 60), 60)
  lines.append(f"{total:,} member-steps, {hours} h {minutes} min if none ends early")
  return "\n".join(lines)
