"""What a setting is compared by, and how it is told: runs of one identity are its seeds."""

from collections.abc import Mapping
from typing import Any

from experiments.runs.settings import Settings, make
from experiments.tasks import TASKS

Identity = tuple[tuple[str, Any], ...]


def identity(settings: Settings) -> Identity:
  """What makes a setting another one than the source's own: names and values.

  The method, the task's variants and what is always shown come first, if the method has it, then
  each setting that is not the source's. Seed, length and place do not count, but for the budget
  that a schedule ends with.
  """
  task = TASKS[settings.task]
  own = _own(settings)
  shown = [name for name in task.always_shown if name in settings.values]
  first = dict.fromkeys(("method", *task.variants, *shown))
  ends = ("steps",) if settings.values.get("schedule", "constant") != "constant" else ()
  counted = (*settings.of_kind("data", "model", "number", "shape"), *ends)
  names = [name for name in counted if name not in first]
  changed = [name for name in names if settings[name] != own.get(name)]
  return (
    *((name, settings[name]) for name in (*first, *changed)),
    *sorted((name, str(value)) for name, value in settings.unknown.items()),
  )


def _own(settings: Settings) -> dict[str, Any]:
  """The source's settings with the same method and variants."""
  same = {name: settings[name] for name in ("method", *TASKS[settings.task].variants)}
  return dict(make(settings.task, **same).values)


def is_sources(settings: Settings) -> bool:
  """Whether nothing is changed but seed, length and place."""
  own = _own(settings)
  counted = settings.of_kind("data", "model", "number", "shape")
  return not settings.unknown and all(value == own.get(name) for name, value in counted.items())


def sentence(task: str, key: Identity) -> str:
  """An identity in words: method and variants, then what is always shown or changed.

  >>> sentence("modular", (("method", "baseline"), ("operation", "mul"), ("weight_decay", 0.1)))
  'baseline mul, weight_decay 0.1'
  """
  values, variants = dict(key), ("method", *TASKS[task].variants)
  label = " ".join(str(values[name]) for name in variants)
  told = [f"{name} {value}" for name, value in key if name not in variants]
  return ", ".join([label, *told])


def published(settings: Settings) -> Mapping[str, float]:
  """The source's figures where the settings are the source's; of a shorter run its first steps."""
  if not is_sources(settings):
    return {}
  source = TASKS[settings.task].source
  full = source.full_steps or _own(settings)["steps"]
  figures = source.published(settings.values)
  return {n: v for n, v in figures.items() if settings["steps"] >= full or n.endswith("_step")}
