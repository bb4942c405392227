"""Long work shows where it is."""

import collections
import sys
import time
from collections.abc import Sequence

from tqdm import tqdm

from experiments.members import Active


class Progress:
  """A bar on a terminal, elsewhere a line now and then; "train/validation" of both quantities."""

  SECONDS_BETWEEN_LINES = 10.0

  def __init__(self, steps: int):
    self._on_terminal = sys.stderr.isatty()
    self._bar = tqdm(
      total=steps,
      unit=" steps",
      disable=not self._on_terminal,
      dynamic_ncols=True,
      bar_format="{n_fmt}/{total_fmt} |{bar}| {rate_fmt}, {remaining} left{postfix}",
    )
    self._steps = steps

  def begin(self, active: Sequence[Active]) -> None:
    """Starts the clock, where the run is by now."""
    self._first = self._bar.initial = self._bar.n = active[0].step
    self._bar.unpause()
    self._begun = self._last_line = time.monotonic()

  def update(self, seen: Sequence[Active]) -> None:
    record = seen[0].records[-1]
    step = record["step"]
    text = f"loss {_show(record['train_loss'])}/{_show(record['val_loss'])}"
    if "val_accuracy" in record:
      text += f", acc {_percent(record['train_accuracy'])}/{_percent(record['val_accuracy'])}"
    if self._on_terminal:
      self._bar.set_postfix_str(text, refresh=False)
      self._bar.update(step - self._bar.n)
      return
    now = time.monotonic()
    if now - self._last_line >= self.SECONDS_BETWEEN_LINES:
      rate = (step - self._first) / (now - self._begun)
      left = (self._steps - step) / rate
      print(
        f"step {step:,} of {self._steps:,}: {text}; {rate:.1f} steps/s, {left:.0f} s left",
        file=sys.stderr,
      )
      self._last_line = now

  def __enter__(self) -> "Progress":
    return self

  def __exit__(self, *_) -> None:
    self._bar.close()


class SweepProgress:
  """One bar of all members' steps on a terminal, with how many are where; elsewhere nothing.

  Args:
    steps: of all members, if none ends early.
    goal: of validation accuracy; a member that is there is held.
    done: steps that the log has already, of a sweep that goes on.
  """

  def __init__(self, steps: int, goal: float | None, done: int = 0):
    self._goal = goal
    self._at: dict[int, int] = {}
    self._states: dict[int, str] = {}
    self._bar = tqdm(
      total=steps,
      initial=done,
      unit=" member-steps",
      unit_scale=True,
      disable=not sys.stderr.isatty(),
      dynamic_ncols=True,
      bar_format="{percentage:3.0f}% |{bar}| {rate_fmt}, {remaining} left{postfix}",
    )

  def begin(self, active: Sequence[Active]) -> None:
    for member in active:
      self._at[member.label["member"]] = member.step
    self._bar.unpause()

  def update(self, seen: Sequence[Active]) -> None:
    for member in seen:
      name = member.label["member"]
      self._bar.update(member.step - self._at.get(name, 0))
      self._at[name] = member.step
      self._states[name] = self._state(member)
      if member.ended:
        self._bar.total -= member.budget - member.step
    states = collections.Counter(self._states.values())
    texts = [f"{states[state]} {state}" for state in ("held", "running", "failed", "not held")]
    self._bar.set_postfix_str(", ".join(texts), refresh=False)

  def _state(self, member: Active) -> str:
    if member.ended == "diverged":
      return "failed"
    accuracy = member.records[-1].get("val_accuracy")
    if self._goal is not None and accuracy is not None and accuracy >= self._goal:
      return "held"
    return "not held" if member.ended else "running"

  def __enter__(self) -> "SweepProgress":
    return self

  def __exit__(self, *_) -> None:
    self._bar.close()


def _show(loss: float | None) -> str:
  return "nan" if loss is None else f"{loss:.2g}"


def _percent(accuracy: float | None) -> str:
  return "nan" if accuracy is None else f"{accuracy:.1%}"
