"""Where a run is: what a checkpoint keeps beside its arrays, and from which one a run resumes."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from experiments.fields import UsageError
from experiments.runs import checkpoints, folder


class Position(NamedTuple):
  """Where a loop is, as a checkpoint keeps it beside the arrays.

  Attributes:
    program: which.
    first: which of its members is the first of the wave.
    width: places; None until it has been opened.
    evaluations: of the wave so far; the state is that after them.
    log: bytes.
    sha256: digests of these, and of the settings, by the names of the files.
    seconds: of training so far.
    compile_seconds: likewise.
  """

  program: int = 0
  first: int = 0
  width: int | None = None
  evaluations: int = 0
  log: int = 0
  sha256: Mapping[str, str] = {}
  seconds: float = 0.0
  compile_seconds: float = 0.0


_KINDS = {
  **{name: type(value) for name, value in Position()._asdict().items()},
  **{"width": int | None, "seconds": float | int, "compile_seconds": float | int},
}


def _position(saved: Any) -> Position | None:
  """What a checkpoint says; None if it is of another form."""
  whole = isinstance(saved, dict) and saved.keys() == _KINDS.keys()
  fits = whole and all(isinstance(saved[name], kind) for name, kind in _KINDS.items())
  return Position(**saved) if fits else None


def resumed(out: Path) -> tuple[Position, list[Any]]:
  """The newest checkpoint in a run's folder that fits its log, and the arrays of its state.

  Raises:
    UsageError: if there is a log, and none does, or if a log is not there any more; or if the
      log up to there, or the settings, are not what they were. Nothing has changed then.
  """
  log = out / folder.LOG
  size = log.stat().st_size if log.exists() else 0
  skipped: list[str] = []
  short = False
  for file, saved, arrays in checkpoints.saved(out, skipped):
    if (position := _position(saved)) is None:
      skipped.append(f"{file}: it is of another version")
    elif position.log > size:
      short = True
      state = "shorter than it says" if log.exists() else "missing"
      skipped.append(f"{file}: the log, {folder.LOG}, is {state}")
    elif short and not position.log:
      break  # that of the beginning fits any log; but what was trained is not thrown away
    else:
      folder.check_unchanged(out, position.sha256, {folder.LOG: position.log})
      for line in skipped:
        print(f"skipping {line}", file=sys.stderr)
      return position, arrays
  if size or checkpoints.exist(out):
    reasons = "; ".join(line.removeprefix(f"{out}/") for line in skipped)
    raise UsageError(
      f"cannot resume {out}: none of its checkpoints fits ({reasons or 'there is none'}). All "
      f"files stay as they are: put back the {folder.LOG} or the checkpoint that was there, or "
      "train anew into another --out."
    )
  return Position(), []
