"""A run's folder and its files: claimed by one run, written whole or not at all."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from experiments import figures
from experiments.cli import UsageError

FILES = (
  "settings.json",
  "environment.json",
  "metrics.jsonl",
  "summary.json",
  "parameters.npz",
  *figures.NAMES,
)


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[Path]:
  """A path to write to, which becomes `path` once it is written whole.

  Raises:
    OSError: naming the file, if it could not be written; then nothing is left of it.
  """
  part = path.with_name(path.name + ".part")
  try:
    yield part
    part.rename(path)
  except OSError as error:
    raise could_not_write(path, error) from None
  finally:
    with contextlib.suppress(OSError):
      part.unlink(missing_ok=True)


def could_not_write(path: Path, error: OSError) -> OSError:
  return OSError(error.errno, f"could not write: {error.strerror or error}", str(path))


def write_json(path: Path, value: Any) -> None:
  with new_file(path) as part:
    part.write_text(json.dumps(value, indent=2) + "\n")


def new_folder(out: Path | None, name: str, values: dict[str, Any]) -> Path:
  """Makes the folder of a run and claims it by writing `settings.json`.

  Args:
    out: where; None for the first free one of runs/name, runs/name-2, ...
    name: of the run.
    values: what `settings.json` holds.

  Raises:
    UsageError: if `out` holds a run, or cannot be written.
  """
  if out is not None:
    if not _claim(out, values):
      raise UsageError(f"--out {out} holds another run: name a folder that is new or has none.")
    return out
  free = Path("runs") / name
  number = 1
  while not _claim(free, values):
    number += 1
    free = Path("runs") / f"{name}-{number}"
  return free


def _claim(folder: Path, values: dict[str, Any]) -> bool:
  """Writes `settings.json` if the folder holds no file of a run; says whether it did."""
  file = folder / "settings.json"
  try:
    folder.mkdir(parents=True, exist_ok=True)
    if any((folder / name).exists() for name in FILES):
      return False
    file.touch(exist_ok=False)  # of two at once, one gets it
  except FileExistsError:
    if folder.is_dir():
      return False
    raise UsageError(f"--out {folder} is not a folder.") from None
  except OSError as error:
    raise UsageError(f"--out {folder} cannot be written: {error.strerror}.") from None
  try:
    write_json(file, values)
  except OSError:
    file.unlink()
    raise
  return True
