"""The settings of a task as its commands tell them: groups, owners, choices and defaults."""

import shlex
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from experiments.fields import Field, fields_of, flag
from experiments.methods import METHODS, OPTIMIZERS
from experiments.runs.plan import Place
from experiments.runs.settings import Settings, every_field
from experiments.tasks import TASKS


class Option(NamedTuple):
  """A setting in a command's help.

  Attributes:
    group: the heading under which it stands.
    field: the setting.
    about: who has it, what it is, what may be chosen, and what it is if left out.
  """

  group: str
  field: Field
  about: str


def options(task: str) -> Iterator[Option]:
  """All settings of a task, group after group."""
  for name, owners in every_field(task).items():
    field = next(iter(owners.values()))
    about = f"{_owners(owners)}{plain(field, _default(task, name, owners))}"
    yield Option(_group(task, field, owners), field, about)


def plain(field: Field, default: str | None = None) -> str:
  """A setting's help, with what may be chosen and its default.

  Args:
    field: the setting.
    default: in words; None for the field's own.
  """
  if default is None:
    default = "" if field.default is None else str(field.default)
  choices = f": {', '.join(field.allowed.choices)}" if field.allowed.choices else ""
  needs = f"with {flag(field.only[0])} {' or '.join(field.only[1:])}: " if field.only else ""
  return f"{needs}{field.help}{choices}{f' (default: {default})' if default else ''}"


def methods(task: str) -> str:
  """Every method with its own settings, and what the task's source has instead of the rest."""
  source = TASKS[task].source
  lines = [f"Every method, unless its line says otherwise: {_flags(source.settings)}"]
  for name, method in METHODS.items():
    own = {n: f.default for n, f in fields_of(method.hyperparameters).items()}
    lines.append(f"* {name}: {_flags(own | dict(source.by_method.get(name, {})))}".rstrip(": "))
  wrapped = [
    textwrap.fill(line, 100, subsequent_indent="    ", break_on_hyphens=False) for line in lines
  ]
  return "\n".join(wrapped)


def to_resume(run: Settings, out: Path, place: Place | None = None) -> str:
  """The whole command that resumes a run, or a sweep.

  Args:
    run: its settings, or those of any member.
    out: its folder.
    place: of a sweep, how its members share the machine; None for one run.
  """
  fields = {n: f for n, owners in every_field(run.task).items() for f in owners.values()}
  own = {
    name: value
    for name, value in run.of_kind("place").items()
    if name not in ("out", "resume") and value != fields[name].default
  }
  for name in ("at_once", "data_devices") if place else ():
    if (value := getattr(place, name)) != Place._field_defaults[name]:
      own[name] = value
  door = f"experiments.sweep {run.task}" if place else f"experiments {run.task}"
  words = f"python -m {door} {_flags(own)}".rstrip()
  return f"{words} --resume --out {shlex.quote(str(out))}"


def _replaces_optimizer(owner: str) -> bool:
  """Whether it is a method of which the source has no settings."""
  return owner in METHODS and METHODS[owner].replaces_optimizer


def _flags(values: Mapping[str, Any]) -> str:
  """
  >>> _flags({"weight_decay": 0.1, "latch": False, "lamb": None})
  '--weight-decay 0.1 --no-latch'
  """
  words = []
  for name, value in values.items():
    if isinstance(value, bool):
      words.append(flag(name) if value else f"--no-{flag(name)[2:]}")
    elif value is not None:
      words.append(f"{flag(name)} {shlex.quote(str(value))}")
  return " ".join(words)


def _group(task: str, field: Field, owners: Mapping[str, Field]) -> str:
  if "" not in owners:
    return f"settings of the {'optimizer' if set(owners) & set(OPTIMIZERS) else 'method'}"
  if field.name in ("method", "optimizer"):
    return "what is run"
  if field.name in fields_of(TASKS[task].settings):
    return f"the task, {task}: its data and its model"
  return "where, and how it is kept" if field.kind == "place" else "seed and length"


def _owners(owners: Mapping[str, Field]) -> str:
  """Who has it, unless all have."""
  return "" if "" in owners or set(owners) == set(OPTIMIZERS) else f"{', '.join(owners)}: "


def _default(task: str, name: str, owners: Mapping[str, Field]) -> str:
  """What it is if left out: the source's own, and with which methods or owners it is another."""
  source = TASKS[task].source
  first = next(iter(owners.values())).default
  base = source.settings.get(name, first)
  other = {method: own[name] for method, own in source.by_method.items() if name in own}
  own = [n for n in owners if name not in source.settings or _replaces_optimizer(n)]
  other = {owner: owners[owner].default for owner in own} | other
  told = ["" if base is None else str(base)]
  told += [f"{who} {value}" for who, value in other.items() if value != base]
  if name == "steps" and source.full_steps:
    told.append(f"on an accelerator the source's {source.full_steps}")
  return "; ".join(filter(None, told))
