"""How a command begins as a process: Ctrl-C ends it at any moment, a closed stream is no crash.

Until a run trains there is nothing to keep, and an exception that is raised within an import, or
while JAX traces, may be swallowed there. So Ctrl-C ends the process itself. While a run trains,
`runs.signals` has it stop at the next evaluation.
"""

import contextlib
import os
import signal
import sys
from collections.abc import Callable
from typing import Any


def main(run: Callable[[], int]) -> int:
  """Runs a command, which imports what it needs itself; returns its exit code."""
  signal.signal(signal.SIGINT, _end)
  _open_streams()
  return run()


def _end(number: int, frame: Any) -> None:
  del number, frame
  with contextlib.suppress(OSError, ValueError):
    sys.stdout.flush()
    os.write(2, b"stopped\n")
  os._exit(130)


def _open_streams() -> None:
  """Puts the null device where a stream is closed: else the next file takes its number."""
  for number in range(3):
    try:
      os.fstat(number)
    except OSError:
      os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
  sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
  sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)
