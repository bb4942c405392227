"""Something to look at while members train: in a notebook, a picture that grows."""

import time
from collections.abc import Callable, Sequence

from experiments.members import Active


class Live:
  """A watcher that calls a function now and then, as one that draws what the log has by now.

  Args:
    look: what is called, between chunks and when all members have ended.
    seconds: from one call to the next, at least.
  """

  def __init__(self, look: Callable[[], None], seconds: float = 2.0):
    self._look, self._seconds = look, seconds

  def begin(self, active: Sequence[Active]) -> None:
    del active
    self._last = time.monotonic()

  def update(self, seen: Sequence[Active]) -> None:
    if time.monotonic() - self._last >= self._seconds or all(active.ended for active in seen):
      self._look()
      self._last = time.monotonic()
