"""The log: `metrics.jsonl`, a line for each evaluation, appended and flushed."""

import contextlib
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from experiments.files import could_not_write, digest
from experiments.runs.folder import LOG
from experiments.training import devices

Record = dict[str, Any]


def read_log(path: Path, size: int | None = None) -> list[Record]:
  """The records of a log, or of its first bytes; a last line that a crash tore is left out."""
  records = []
  if size == 0:
    return records
  for line in path.read_bytes()[:size].split(b"\n"):
    try:
      records.append(json.loads(line.decode(), parse_constant=_no_constant))
    except (ValueError, RecursionError):
      break
  return records


def _no_constant(name: str) -> None:
  """NaN and Infinity are no JSON, and are not written."""
  raise ValueError(name)


def record_of(row: Mapping[str, Any]) -> Record:
  """A row of metrics as plain numbers, the step first; None for what is not finite, as JSON has it.

  Seven digits are all that a float32 has.
  """
  names = ["step", *(name for name in row if name != "step")]
  plain = {name: row[name].item() for name in names}
  return {
    name: (float(f"{v:.7g}") if isinstance(v, float) else v) if math.isfinite(v) else None
    for name, v in plain.items()
  }


class Log:
  """A log to append to. Of several processes one writes.

  Args:
    folder: of the run.
    size: bytes of it that are kept: what a run that is resumed had when its checkpoint was made.
  """

  def __init__(self, folder: Path, size: int = 0):
    self._path = folder / LOG
    self._size = size

  def __enter__(self) -> "Log":
    self._file = None
    if devices.is_writer():
      with self._errors():
        self._file = self._path.open("ab")
        self._file.truncate(self._size)
      self._digest = digest(self._path, self._size)
    return self

  def __exit__(self, *_) -> None:
    if self._file:
      with contextlib.suppress(OSError):  # all was flushed; a failing disk has said so
        self._file.close()

  def append(self, records: Iterable[Record]) -> None:
    """Writes whole lines and flushes them."""
    lines = "".join(json.dumps(record) + "\n" for record in records).encode()
    self._size += len(lines)
    if self._file:
      self._digest.update(lines)
      with self._errors():
        self._file.write(lines)
        self._file.flush()

  def sync(self) -> int:
    """Flushes the log to the disk and returns its size in bytes."""
    if self._file:
      with self._errors():
        os.fsync(self._file.fileno())
    return self._size

  @property
  def digest(self) -> str:
    """Of all that was written."""
    return self._digest.hexdigest() if self._file else ""

  @contextlib.contextmanager
  def _errors(self) -> Iterator[None]:
    try:
      yield
    except OSError as error:
      raise could_not_write(self._path, error) from None
