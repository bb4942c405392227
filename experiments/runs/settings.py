"""The settings of a run: task x method x optimizer x length x place, flat, resolved and checked.

    settings = make("modular", method="grokfast_ema", lamb=5.0, steps=1000)
    settings["alpha"]                                   # 0.98, the method's own

What is left out is the source's own: what the task's source had with that method, else the
default beside the field.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.fields import (
  NOT_NEGATIVE,
  Field,
  UsageError,
  between,
  fields_of,
  flag,
  part,
  setting,
)
from experiments.methods import METHODS, OPTIMIZERS, Method, named
from experiments.runs.outcomes import StopRules
from experiments.tasks import TASKS
from experiments.tasks.task import Task

LARGEST = 2**31 - 1


@dataclasses.dataclass(frozen=True)
class Choice:
  """What is run."""

  method: str = setting(
    "grokfast_ema", "shape", f"one of {', '.join(METHODS)}; or several, as a+b, left to right"
  )
  optimizer: str = setting("adamw", "shape", f"one of {', '.join(OPTIMIZERS)}")


@dataclasses.dataclass(frozen=True)
class Length:
  """Which seed, and how long."""

  seed: int = setting(
    0, "seed", "of the initial parameters, the split and the batches", between(0, 2**32 - 1)
  )
  steps: int = setting(
    2_500, "length", "the budget, rounded up to whole evaluations", between(1, LARGEST)
  )
  stop_when_held: int | None = setting(
    None, "length", "end early once the goal has been held for so many steps", between(0, LARGEST)
  )
  eval_every: int = setting(1, "shape", "epochs between two evaluations", between(1, LARGEST))


@dataclasses.dataclass(frozen=True)
class Place:
  """Where to, and how it is kept."""

  out: Path | None = setting(None, "place", "a folder for the results (default: one in runs/)")
  resume: bool = setting(
    False, "place", "resume what is in --out where it was stopped; if there is nothing, begin"
  )
  checkpoint_every: float = setting(
    30.0,
    "place",
    "seconds from one checkpoint to the next, at least; 0 is every look",
    NOT_NEGATIVE,
  )
  compilation_cache: bool = setting(
    True, "place", "keep compiled programs in the user's cache folder, for a quick start"
  )


@dataclasses.dataclass(frozen=True)
class Settings:
  """Settings of one run: all values by name, in the order in which they are told.

  Attributes:
    task: its name.
    values: resolved; no None but where None is a value.
    unknown: settings of an old or a newer file that are none today, as they were.
  """

  task: str
  values: Mapping[str, Any]
  unknown: Mapping[str, Any] = dataclasses.field(default_factory=dict)

  def __getitem__(self, name: str) -> Any:
    return self.values[name]

  @property
  def of_task(self) -> Any:
    """The task's own settings, as its dataclass."""
    return part(TASKS[self.task].settings, self.values)

  @property
  def rules(self) -> StopRules:
    """When the run ends before its budget."""
    goals = TASKS[self.task].goals
    return StopRules(goals[0] if goals else None, self["stop_when_held"])

  @property
  def methods(self) -> list[Method]:
    """The methods, from left to right."""
    return named(self["method"])

  def kept(self) -> dict[str, Any]:
    """The values that make the run what it is, as its file holds them."""
    fields = schema(self.task, self["method"], self.values.get("optimizer"))
    own = {n: v for n, v in self.values.items() if fields[n].kind != "place" and v is not None}
    return own | dict(self.unknown)

  def of_kind(self, *kinds: str) -> dict[str, Any]:
    """The values of the settings of some kinds."""
    fields = schema(self.task, self["method"], self.values.get("optimizer"))
    return {name: value for name, value in self.values.items() if fields[name].kind in kinds}


def task_named(name: str) -> Task:
  """A task by its name.

  Raises:
    UsageError: names those that there are.
  """
  if name not in TASKS:
    raise UsageError(f"name a task first: {', '.join(TASKS)}; got {name!r}.")
  return TASKS[name]


def schema(task: str, method: str, optimizer: str | None) -> dict[str, Field]:
  """The settings that a run has, by name."""
  methods = named(method)
  fields = fields_of(Choice)
  if any(m.replaces_optimizer for m in methods):
    del fields["optimizer"]
  else:
    if optimizer not in OPTIMIZERS:
      raise UsageError(f"--optimizer must be one of {', '.join(OPTIMIZERS)}; got {optimizer!r}.")
    fields |= fields_of(OPTIMIZERS[optimizer].hyperparameters)
  for one in (*(m.hyperparameters for m in methods), Length, task_named(task).settings, Place):
    for name, field in fields_of(one).items():
      if name in fields:
        raise UsageError(f"two parts of {task} with --method {method} have {flag(name)}.")
      fields[name] = field
  return fields


def every_field(task: str) -> dict[str, dict[str, Field]]:
  """All settings of a task with any method and optimizer: name -> who has it -> the field.

  Those of every run are had by "".
  """
  parts = [("", Choice), ("", TASKS[task].settings)]
  parts += [(name, method.hyperparameters) for name, method in METHODS.items()]
  parts += [(name, optimizer.hyperparameters) for name, optimizer in OPTIMIZERS.items()]
  found: dict[str, dict[str, Field]] = {}
  for owner, dataclass in (*parts, ("", Length), ("", Place)):
    for name, field in fields_of(dataclass).items():
      found.setdefault(name, {})[owner] = field
  return found


def make(task: str, /, **given: Any) -> Settings:
  """The settings of a run, by what differs from the source's own; None is left out.

  Raises:
    UsageError: for a setting that the run does not have, or a value out of its range.
  """
  return _made(task, {n: v for n, v in given.items() if v is not None}, strict=True)


def from_file(task: str, values: Mapping[str, Any]) -> Settings:
  """The settings that a run's file holds; those that are none today are kept as they are."""
  return _made(task, {n: v for n, v in values.items() if v is not None}, strict=False)


def _made(task: str, given: dict[str, Any], *, strict: bool) -> Settings:
  choice = fields_of(Choice)
  source = task_named(task).source
  method = choice["method"].checked(given.get("method", choice["method"].default))
  named(method)  # an unknown one is refused before anything else
  own = _own(source.of(method), method)
  optimizer = given.get("optimizer", own.get("optimizer", choice["optimizer"].default))
  fields = schema(task, method, optimizer)
  unknown = {name: value for name, value in given.items() if name not in fields}
  if unknown and strict:
    raise UsageError(_foreign(task, next(iter(unknown)), method, optimizer))
  values = {
    name: field.checked(given.get(name, own.get(name, field.default)))
    for name, field in fields.items()
  }
  settings = Settings(task, values, unknown)
  for name in given if strict else ():
    if not fields[name].has_meaning(values):
      other, *fit = fields[name].only
      with_ = ", ".join(f"{flag(other)} {value}" for value in fit)
      run = f"{flag(other)} {values[other]}"
      raise UsageError(f"{flag(name)} is a setting of {with_}; this run has {run}.")
  _check(settings)
  return settings


def _own(found: Mapping[str, Any], method: str) -> dict[str, Any]:
  """The source's settings, without what a method that replaces the optimizer has of its own."""
  replaced = [fields_of(m.hyperparameters) for m in named(method) if m.replaces_optimizer]
  return {n: v for n, v in found.items() if not any(n in fields for fields in replaced)}


def resumed(task: str, before: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
  """What a run that is resumed is given: of its file what has a meaning, and the rest."""
  known = from_file(task, before)
  fields = schema(task, known["method"], known.values.get("optimizer"))
  values = {**known.values, **given}
  idle = [name for name in known.values if not fields[name].has_meaning(values)]
  return {name: value for name, value in before.items() if name not in idle} | dict(given)


def _foreign(task: str, name: str, method: str, optimizer: str) -> str:
  """Why a run does not have a setting."""
  owners = every_field(task).get(name, {})
  if name == "optimizer":
    return f"--method {method} has no --optimizer: it replaces it."
  if not owners:
    return f"{task} has no setting {flag(name)}."
  replaced = any(m.replaces_optimizer for m in named(method))
  run = f"--method {method}" + ("" if replaced else f" --optimizer {optimizer}")
  return f"{flag(name)} is a setting of {', '.join(owners)}; this run has {run}."


def misfit(task: str, method: str) -> str | None:
  """Why a task cannot be trained with a method; None where it can."""
  its = task_named(task)
  for each in named(method):
    if "accuracy" in each.needs and not its.has_accuracy:
      fit = [name for name, m in METHODS.items() if "accuracy" not in m.needs]
      return (
        f"--method {each.name} needs a training accuracy, and {task} has none. These need "
        f"no such thing: {', '.join(fit)}."
      )
    if (each.loss or "classes" in each.needs) and its.answers != "classes":
      return f"--method {each.name} needs classes to tell apart; {task} has none."
  return None


def _check(settings: Settings) -> None:
  task = TASKS[settings.task]
  if told := misfit(settings.task, settings["method"]):
    raise UsageError(told)
  if settings["stop_when_held"] is not None and not task.goals:
    raise UsageError(f"--stop-when-held needs a goal, which {task.name} does not have.")
  if settings["resume"] and settings["out"] is None:
    raise UsageError("--resume needs the --out of the run to resume.")
  task.check(settings.of_task)
