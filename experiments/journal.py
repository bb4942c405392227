"""The log of a run: `metrics.jsonl`, a line for each evaluation, appended and flushed."""

import contextlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from experiments import hosts
from experiments.files import could_not_write
from experiments.summary import Record

NAME = "metrics.jsonl"


def read_log(path: Path, size: int | None = None) -> list[Record]:
  """The records of a log, or of its first bytes; a last line that a crash tore is left out."""
  records = []
  if size == 0:
    return records
  for line in path.read_bytes()[:size].decode().splitlines():
    try:
      records.append(json.loads(line))
    except json.JSONDecodeError:
      break
  return records


class Journal:
  """A log to append to. Of several processes one writes.

  Args:
    folder: of the run.
    size: bytes of it that are kept, for a run that goes on; 0 begins anew.
  """

  def __init__(self, folder: Path, size: int = 0):
    self._path = folder / NAME
    self._size = size

  def __enter__(self) -> "Journal":
    self._file = None
    if hosts.writes():
      with self._errors():
        self._file = self._path.open("ab")
        self._file.truncate(self._size)
    return self

  def __exit__(self, *_) -> None:
    if self._file:
      with contextlib.suppress(OSError):  # all was flushed; a failing disk has said so
        self._file.close()

  def append(self, records: Iterable[dict[str, Any]]) -> None:
    """Writes whole lines and flushes them."""
    lines = "".join(json.dumps(record) + "\n" for record in records).encode()
    self._size += len(lines)
    if self._file:
      with self._errors():
        self._file.write(lines)
        self._file.flush()

  def kept(self) -> int:
    """The size in bytes, once they are on the disk."""
    if self._file:
      with self._errors():
        os.fsync(self._file.fileno())
    return self._size

  @contextlib.contextmanager
  def _errors(self):
    try:
      yield
    except OSError as error:
      raise could_not_write(self._path, error) from None
