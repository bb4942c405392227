"""A sweep's command as settings of its members: the product of all that is given more than once."""

import dataclasses
import itertools
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from experiments import cli, methods, runs
from experiments.cli import UsageError
from experiments.experiment import Experiment, kept

LARGEST = 10_000  # members


@dataclasses.dataclass(frozen=True)
class SweepSettings(runs.LengthSettings):
  """How many members, how long, where to, and on what."""

  seeds: int = 5
  """seeds 0, 1, ... of each setting"""
  at_once: Annotated[int | None, cli.optional("INT", "what is measured to be faster")] = None
  """members side by side in the program; 1 is one after another"""
  data_devices: int = 1
  """devices that share each member's batch; the others share the members"""
  coordinator: Annotated[str | None, cli.optional("HOST:PORT", "one process alone")] = None
  """of several processes that train together, on a folder that all of them see: the first one's"""
  processes: int = 1
  """how many these are"""
  process: int = 0
  """which of them this is, from 0"""
  dry_run: bool = False
  """show the plan, and end"""


# What does not make another sweep.
HOW = (
  *runs.WHERE,
  "at_once",
  "data_devices",
  "coordinator",
  "processes",
  "process",
  "dry_run",
)
NOT_GIVEN_MORE_THAN_ONCE = {"seed", *(field.name for field in dataclasses.fields(SweepSettings))}


def _plain(kind: Any) -> Any:
  """The type of one value: without what stands for "left out"."""
  if isinstance(kind, types.UnionType):
    (kind,) = (k for k in typing.get_args(kind) if k is not type(None))
  return kind


def settings_of(experiment: Experiment) -> type[Any]:
  """The sweep's settings: those of the experiment, each any number of times, and its own."""
  hints = typing.get_type_hints(experiment.settings)
  several: list[Any] = [
    (field.name, tuple[_plain(hints[field.name]), ...], dataclasses.field(default=()))
    for field in dataclasses.fields(experiment.settings)
    if field.name not in {*NOT_GIVEN_MORE_THAN_ONCE, "data"}
  ]
  if any(field.name == "data" for field in dataclasses.fields(experiment.settings)):
    several.append(("data", Path | None, dataclasses.field(default=None)))
  return dataclasses.make_dataclass(
    f"{experiment.name.title()}Sweep", several, bases=(SweepSettings,), frozen=True
  )


def members_of(experiment: Experiment, settings: Any) -> list[Any]:
  """Every member's resolved settings, all settings of the first seed first.

  Raises:
    UsageError: says what is allowed.
  """
  values = dataclasses.asdict(settings)
  lengths = {field.name for field in dataclasses.fields(runs.LengthSettings)} - {"out", "resume"}
  common = {name: value for name, value in values.items() if name in {*lengths, "data"}}
  given = {name: v for name, v in values.items() if isinstance(v, tuple) and v}
  for name, several in given.items():
    if len(set(several)) < len(several):
      raise UsageError(f"{methods.flag(name)} has one of {', '.join(map(str, several))} twice.")
  if not settings.seeds >= 1:
    raise UsageError(f"--seeds must be at least 1; got {settings.seeds}.")
  size = settings.seeds
  for several in given.values():
    size *= len(several)
  if size > LARGEST:
    raise UsageError(f"a sweep has at most {LARGEST:,} members; these are {size:,}.")
  return [
    experiment.resolve(
      experiment.settings(seed=seed, **common, **dict(zip(given, product, strict=True)))
    )
    for seed in range(settings.seeds)
    for product in itertools.product(*given.values())
  ]


def saved_form(experiment: Experiment, settings: Any, members: Sequence[Any]) -> dict[str, Any]:
  """What `settings.json` holds: the command, what all members have in common, and what not."""
  values = [kept(member) for member in members]
  common = {n: v for n, v in values[0].items() if all(member[n] == v for member in values)}
  command = dataclasses.asdict(settings)
  return {
    "experiment": experiment.name,
    "sweep": {n: v for n, v in command.items() if n not in HOW and v not in ((), None)},
    "common": common,
    "members": [{n: v for n, v in member.items() if n not in common} for member in values],
  }
