"""Figures in words and digits, the same in every table and page."""

import re
from collections.abc import Iterable

from experiments.tasks.task import Goal

_NAMES = {"train": "training", "val": "validation"}
_NUMBERS = (
  *("none", "one", "two", "three", "four", "five", "six"),
  *("seven", "eight", "nine", "ten", "eleven", "twelve"),
)
_PATTERNS = (
  (r"(train|val)_([\d.]+)_step", "{0} accuracy {1} % at step"),
  (r"(val)_([a-z_]+)_([-+.\de]+)_step", "{0} {1} {2} at step"),
  (r"val_([\d.]+)_sustained_step", "  {0} % sustained to the end from step"),
  (r"val_([a-z_]+_[-+.\de]+)_sustained_step", "  {0} sustained to the end from step"),
  (r"val_([\d.]+)_dips", "  evaluations under {0} % afterwards"),
  (r"val_([a-z_]+_[-+.\de]+)_dips", "  evaluations that miss {0} afterwards"),
  (r"held_steps", "  held at the end, steps"),
  (r"best_(val)_(\w+)", "best {0} {1}"),
  (r"last_(train|val)_(\w+)", "{0} {1} in the last tenth"),
  (r"steps", "steps"),
  (r"steps_per_second", "steps per second"),
)


def words(name: str) -> str | None:
  """What a figure of a summary is; None for one that has no words.

  >>> words("val_95_step"), words("best_val_loss"), words("val_loss_0.1_step")
  ('validation accuracy 95 % at step', 'best validation loss', 'validation loss 0.1 at step')
  """
  for pattern, text in _PATTERNS:
    if match := re.fullmatch(pattern, name):
      parts = [_NAMES.get(part, part).replace("_", " ") for part in match.groups()]
      return text.format(*parts)
  return None


def digits(name: str, value: float | str | None) -> str:
  """A figure of a summary as a table shows it.

  >>> digits("val_95_step", 39890), digits("best_val_accuracy", 0.898), digits("val_loss", 0.00348)
  ('39,890', '89.8 %', '0.00348')
  """
  if value is None or isinstance(value, str):
    return value or "-"
  if name.endswith("accuracy"):
    return f"{100 * value:.1f} %"
  if name.endswith("loss") or (isinstance(value, float) and abs(value) < 100):
    return f"{value:.3g}"
  return f"{value:,}"


def goal_text(goal: Goal) -> str:
  """A goal in words.

  >>> goal_text(Goal("val_accuracy", 0.95)), goal_text(Goal("val_loss", 0.1, "at_most"))
  ('95 % validation accuracy', 'validation loss 0.1')
  """
  part, _, metric = goal.metric.partition("_")
  metric = f"{_NAMES.get(part, part)} {metric.replace('_', ' ')}"
  percent = f"{100 * goal.threshold:.3g} %"
  return f"{percent} {metric}" if metric.endswith("accuracy") else f"{metric} {goal.threshold:g}"


def spelled(count: int) -> str:
  """
  >>> spelled(0), spelled(5), spelled(13)
  ('none', 'five', '13')
  """
  return _NUMBERS[count] if count < len(_NUMBERS) else str(count)


def listed(parts: Iterable[str]) -> str:
  """
  >>> listed(["1", "2", "3"]), listed(["1"])
  ('1, 2 and 3', '1')
  """
  *first, last = parts
  return f"{', '.join(first)} and {last}" if first else last
