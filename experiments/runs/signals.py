"""Signals that ask a run to stop."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def stop_requests() -> Iterator[list[int]]:
  """Collects SIGINT and SIGTERM while the block runs; a second one interrupts at once."""
  caught: list[int] = []

  def handle(number, frame):
    del frame
    if caught:
      raise KeyboardInterrupt
    caught.append(number)
    print("\nstopping at the next evaluation; press Ctrl-C again to stop at once", file=sys.stderr)

  try:
    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
  except ValueError:  # not the main thread: whoever runs that one decides
    before = {}
  try:
    yield caught
  finally:
    for number, handler in before.items():
      signal.signal(number, handler)
