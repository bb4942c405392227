"""Long work shows where it is, and can be stopped."""

import contextlib
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

from tqdm import tqdm


@contextlib.contextmanager
def stop_requests() -> Iterator[list[int]]:
  """Collects SIGINT and SIGTERM while the block runs; a second one interrupts at once."""
  caught: list[int] = []

  def handle(number, frame):
    del frame
    if caught:
      raise KeyboardInterrupt
    caught.append(number)
    print("\nstopping soon; once more stops at once", file=sys.stderr)

  try:
    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
  except ValueError:  # not the main thread: whoever runs that one decides
    before = {}
  try:
    yield caught
  finally:
    for number, handler in before.items():
      signal.signal(number, handler)


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
    self._begun = self._last_line = time.monotonic()

  def update(self, record: dict[str, Any]) -> None:
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
      rate = step / (now - self._begun)
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


def _show(loss: float | None) -> str:
  return "nan" if loss is None else f"{loss:.2g}"


def _percent(accuracy: float | None) -> str:
  return "nan" if accuracy is None else f"{accuracy:.1%}"
