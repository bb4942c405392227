"""A summary's figures in words and digits, the same in every table."""

import re

_WORDS = (
  (r"(train|val)_(\w+)_step", r"\1 accuracy \2 % at step"),
  (r"val_(\w+)_sustained_step", r"  \1 % sustained to the end from step"),
  (r"val_(\w+)_dips", r"  evaluations under \1 % afterwards"),
  (r"held_steps", r"  held at the end, steps"),
  (r"best_val_(\w+)", r"best val \1"),
  (r"last_(train|val)_(\w+)", r"\1 \2 in the last tenth"),
  (r"steps", r"steps"),
  (r"steps_per_second", r"steps per second"),
)


def words(name: str) -> str | None:
  """What a figure of a summary is; None for one that has no words.

  >>> words("val_95_step"), words("best_val_loss")
  ('validation accuracy 95 % at step', 'best validation loss')
  """
  for pattern, text in reversed(_WORDS):  # "sustained_step" before "step"
    match = re.fullmatch(pattern, name)
    if match:
      return re.sub(
        r"\b(train|val)\b",
        lambda m: {"train": "training", "val": "validation"}[m[0]],
        match.expand(text),
      ).replace("_", " ")
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
  if name.endswith("loss"):
    return f"{value:.3g}"
  return f"{value:,}"
