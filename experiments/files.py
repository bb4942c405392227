"""A run's folder and its files: claimed by one run, written whole or not at all."""

import contextlib
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import filelock

from experiments import figures, hosts
from experiments.cli import UsageError

FILES = (
  "settings.json",
  "environment.json",
  "metrics.jsonl",
  "summary.json",
  "parameters.npz",
  *figures.NAMES,
)
LOCK = ".lock"
NEW, GOES_ON, REFUSED = range(3)  # what the process that writes says to the others


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


def read_json(file: Path) -> dict[str, Any]:
  """What a file of a run holds; nothing if there is no such file.

  Raises:
    UsageError: if it is damaged.
  """
  try:
    if isinstance(value := json.loads(file.read_text()), dict):
      return value
  except FileNotFoundError:
    return {}
  except ValueError:
    pass
  raise UsageError(f"{file} is damaged: it holds no JSON object.")


@contextlib.contextmanager
def claimed(
  out: Path | None, name: str, values: dict[str, Any], *, resume: bool = False
) -> Iterator[tuple[Path, bool]]:
  """The folder of a run, which no other process works in meanwhile.

  Args:
    out: where; None for the first free one of runs/name, runs/name-2, ...
    name: of the run.
    values: what the `settings.json` of a new run holds.
    resume: whether `out` may hold a run, which then is gone on with.

  Yields:
    The folder, and whether it holds a run.

  Raises:
    UsageError: if `out` holds a run though it should not, or is another process's, or
      cannot be written.
    OSError: if `settings.json` could not be written.
  """
  if not hosts.writes():
    assert out is not None
    if (answer := hosts.agreed(REFUSED)) == REFUSED:
      raise UsageError("the first process has said why its folder will not do.")
    yield out, answer == GOES_ON
    return
  with contextlib.ExitStack() as stack:
    try:
      folder, lock = _free_folder(out, name)
      stack.callback(lock.release)
      goes_on = _claimed(folder, values, resume)
    except Exception:
      hosts.agreed(REFUSED)
      raise
    hosts.agreed(GOES_ON if goes_on else NEW)
    yield folder, goes_on


def _free_folder(out: Path | None, name: str) -> tuple[Path, filelock.BaseFileLock]:
  """`out`, or the first free folder with that name, locked."""
  if out is None:
    folders = (Path("runs") / (name if n == 1 else f"{name}-{n}") for n in itertools.count(1))
    return next((f, lock) for f in folders if (lock := _locked(f)) and not _holds_run(f))
  if (lock := _locked(out)) is None:
    raise UsageError(f"--out {out} is in use by another process.")
  return out, lock


def _claimed(folder: Path, values: dict[str, Any], resume: bool) -> bool:
  """Whether a locked folder holds a run; if not, it is this one's from now on."""
  if not _holds_run(folder):
    write_json(folder / "settings.json", values)
    return False
  if not resume:
    raise UsageError(
      f"--out {folder} holds another run: name a folder that is new or has none, "
      "or go on with that one by --resume."
    )
  if not (folder / "settings.json").exists():
    raise UsageError(
      f"--out {folder} holds a run without its settings.json: nothing to go on from."
    )
  return True


def _holds_run(folder: Path) -> bool:
  return any((folder / name).exists() for name in FILES)


def _locked(folder: Path) -> filelock.BaseFileLock | None:
  """Makes the folder and locks it; None if another process has. A killed one's lock is gone."""
  try:
    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / LOCK)
    lock.acquire(timeout=0)
  except filelock.Timeout:
    return None
  except FileExistsError:
    raise UsageError(f"--out {folder} is not a folder.") from None
  except (OSError, ValueError) as error:
    reason = error.strerror if isinstance(error, OSError) else error
    raise UsageError(f"--out {folder!s} cannot be written: {reason}.".replace("\0", "")) from None
  return lock
