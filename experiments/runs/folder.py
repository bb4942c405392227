"""The folder of a run, or of many: claimed by one process, with what it ran on.

It holds `settings.json`, `environment.json`, `metrics.jsonl` (a line for each evaluation), while
it runs its checkpoints, and at the end `summary.json`, with the digests of all these in
`sha256.json`; of one run `parameters.npz` and pictures too. Nothing of it is ever overwritten, but
by the same run when it is resumed.
"""

import contextlib
import itertools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import filelock

from experiments.fields import UsageError, flag
from experiments.files import DAMAGES, digest, read_json, write_json
from experiments.runs import settings
from experiments.runs.environment import environment
from experiments.training import devices

SETTINGS, ENVIRONMENT, LOG, SUMMARY = (
  "settings.json",
  "environment.json",
  "metrics.jsonl",
  "summary.json",
)
PARAMETERS = "parameters.npz"
PICTURES = ("accuracy.png", "loss.png")
FILES = (SETTINGS, ENVIRONMENT, LOG, SUMMARY, PARAMETERS, *PICTURES)
SEAL = "sha256.json"
LOCK = ".lock"
_NEW, _HOLDS, _REFUSED = range(3)  # what the process that writes says to the others


@contextlib.contextmanager
def claimed(
  out: Path | None, name: str, form: Mapping[str, Any], *, resume: bool = False
) -> Iterator[tuple[Path, bool]]:
  """The folder of a run, which no other process works in meanwhile.

  Args:
    out: where; None for the first free one of runs/name, runs/name-2, ...
    name: of the run.
    form: what the `settings.json` of a new run holds.
    resume: whether `out` may hold that run, which then is resumed.

  Yields:
    The folder, and whether it holds the run.

  Raises:
    UsageError: if `out` holds a run though it should not, or another one, or is another
      process's, or cannot be written.
    OSError: if `settings.json` could not be written.
  """
  if not devices.is_writer():
    assert out is not None
    if (answer := devices.agreed(_REFUSED)) == _REFUSED:
      raise UsageError("process 0 could not use its --out folder; see its error message.")
    yield out, answer == _HOLDS
    return
  with contextlib.ExitStack() as stack:
    try:
      folder, lock = _free_folder(out, name)
      stack.callback(lock.release)
      holds = _claimed(folder, form, resume)
    except Exception:
      devices.agreed(_REFUSED)
      raise
    devices.agreed(_HOLDS if holds else _NEW)
    yield folder, holds


def _free_folder(out: Path | None, name: str) -> tuple[Path, filelock.BaseFileLock]:
  """`out`, or the first free folder with that name, locked."""
  if out is None:
    folders = (Path("runs") / (name if n == 1 else f"{name}-{n}") for n in itertools.count(1))
    return next((f, lock) for f in folders if (lock := _locked(f)) and not _holds_run(f))
  return out, _lock(out)


@contextlib.contextmanager
def alone(out: Path) -> Iterator[None]:
  """Makes a folder in which no other process works meanwhile.

  Raises:
    UsageError: if another does, or `out` cannot be written.
  """
  lock = _lock(out)
  try:
    yield
  finally:
    lock.release()


def _lock(out: Path) -> filelock.BaseFileLock:
  if (lock := _locked(out)) is None:
    raise UsageError(f"--out {out} is in use by another process.")
  return lock


def _claimed(folder: Path, form: Mapping[str, Any], resume: bool) -> bool:
  """Whether a locked folder holds the run; if it is empty, it is this one's from now on."""
  if not _holds_run(folder):
    write_json(folder / SETTINGS, form)
    return False
  if not resume:
    raise UsageError(
      f"--out {folder} holds another run: name a new or an empty folder, or resume that "
      "one by --resume."
    )
  check_same(folder, form)
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


def saved(folder: Path) -> dict[str, Any]:
  """What `settings.json` holds: `task`, `common`, `members`, and of a sweep its `sweep`.

  Files of earlier versions are read too: the task was an "experiment" and could be left out, and
  what a sweep's members have in common was nested.

  Raises:
    UsageError: if it is not the settings of a run.
  """
  file = folder / SETTINGS
  try:
    values = json.loads(file.read_text())
    values = {"experiment": "modular", **values}
    task, members, sweep = (values.pop(n, None) for n in ("experiment", "members", "sweep"))
    common = values.pop("common", values)
    if not isinstance(common, dict) or not all(isinstance(m, dict) for m in members or ()):
      raise TypeError("its values have no names")
  except FileNotFoundError:
    raise UsageError(
      f"--out {folder} holds a run without its settings.json: cannot resume."
    ) from None
  except (*DAMAGES, TypeError, AttributeError) as error:
    raise UsageError(f"{file} is not the settings of a run: {error}.") from None
  return {"task": task, "common": common, "members": members, "sweep": sweep}


def check_unchanged(
  folder: Path, digests: Mapping[str, Any], sizes: Mapping[str, int] | None = None
) -> None:
  """Raises a `UsageError` that names a file which is not what was written.

  Args:
    folder: of the run.
    digests: SHA-256 by the names of files.
    sizes: of those of which the first bytes count.
  """
  for name, was in digests.items():
    if digest(folder / name, (sizes or {}).get(name)).hexdigest() != was:
      raise UsageError(
        f"cannot resume {folder}: its {name} was changed since it was written; all files stay as "
        "they are."
      )


def seal(folder: Path) -> None:
  """Writes the digests of a finished run's files, the very last."""
  names = [name for name in (SETTINGS, LOG, PARAMETERS, SUMMARY) if (folder / name).exists()]
  write_json(folder / SEAL, {name: digest(folder / name).hexdigest() for name in names})


def check_sealed(folder: Path) -> None:
  """Raises a `UsageError` if a finished run is not what it was at its end.

  Runs of earlier versions have no seal, and pass.
  """
  check_unchanged(folder, read_json(folder / SEAL))


def check_same(folder: Path, form: Mapping[str, Any]) -> None:
  """Raises a `UsageError` that names the settings in which the folder's run is another one."""
  before = saved(folder)
  now = json.loads(json.dumps(form))
  name = now.pop("experiment")
  members, sweep = now.pop("members", None), now.pop("sweep", None)
  if before["task"] != name:
    raise UsageError(f"cannot resume {folder}: it is a run of {before['task']}, not of {name}.")
  if (before["members"] is None) != (members is None):
    kinds = ("one run", "a sweep")
    was, asked = (kinds[m is not None] for m in (before["members"], members))
    raise UsageError(f"cannot resume {folder}: it is {was}, not {asked}.")
  here = now | (sweep or {})
  was = before["common"] | (before["sweep"] or {})
  if any(name not in was for name in here):  # settings that came later had their defaults
    one = before["common"] | (before["members"] or [{}])[0]
    was = {n: v for n, v in settings.from_file(name, one).kept().items() if n in here} | was
  other = [
    f"{flag(name)} {_told(was.get(name))}, not {_told(here.get(name))}"
    for name in dict.fromkeys((*was, *here))
    if was.get(name) != here.get(name)
  ]
  if other:
    raise UsageError(f"cannot resume {folder}: it was started with {', '.join(other)}.")
  if _whole(name, before["common"], before["members"]) != _whole(name, now, members):
    raise UsageError(f"cannot resume {folder}: its members are different ones.")


def _whole(task: str, common: Mapping[str, Any], members: Any) -> list[dict[str, Any]]:
  """All settings of each member; those that came later have their defaults."""
  return [settings.from_file(task, {**common, **own}).kept() for own in members or ()]


def _told(value: Any) -> str:
  return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def environment_form(folder: Path, origin: Mapping[str, Any]) -> dict[str, Any]:
  """What `environment.json` is to hold: command, machine, data; a resumed run keeps each part's.

  Raises:
    UsageError: if the run in the folder was on other data.
  """
  file, here = folder / ENVIRONMENT, environment()
  if not file.exists():
    return here | ({"data": dict(origin)} if origin else {})
  before = read_json(file)
  if before.get("data", {}) != json.loads(json.dumps(dict(origin))):
    raise UsageError(f"cannot resume {folder}: it was on other data; see its environment.json.")
  return before | {"resumed": [*before.get("resumed", []), here]}
