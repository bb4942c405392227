"""Checkpoints: the arrays of a state and its position in the log, in one file; the last two stay.

A file is written whole or not at all, so that a kill leaves the ones before. The first, before
anything is trained, has a position alone: the state is then that of the settings.
"""

import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from experiments.files import could_not_write, new_file

FOLDER = "checkpoints"
KEPT = 2


def _files(folder: Path) -> list[Path]:
  """The checkpoints of a run's folder, the newest first."""
  found = [file for file in (folder / FOLDER).glob("*.npz") if file.stem.isdigit()]
  return sorted(found, key=lambda file: -int(file.stem))


def save(folder: Path, arrays: Sequence[np.ndarray], position: Mapping[str, Any]) -> None:
  """Writes a checkpoint, then removes those that are no longer needed.

  Args:
    folder: of the run.
    arrays: as `devices.gathered` gives them.
    position: what else is needed to resume, as JSON has it.

  Raises:
    OSError: if it could not be written; the ones before are there.
  """
  before = _files(folder)
  file = folder / FOLDER / f"{int(before[0].stem) + 1 if before else 1}.npz"
  content: dict[str, Any] = {"position": np.array(json.dumps(position))}
  content["dtypes"] = np.array(json.dumps([str(a.dtype) for a in arrays]))
  content |= {str(i): np.asarray(array) for i, array in enumerate(arrays)}
  try:
    file.parent.mkdir(exist_ok=True)
  except OSError as error:
    raise could_not_write(file, error) from None
  with new_file(file) as part, part.open("wb") as stream:
    np.savez(stream, **content)
  for old in before[KEPT - 1 :]:
    with contextlib.suppress(OSError):
      old.unlink()


def saved(
  folder: Path, skipped: list[str] | None = None
) -> Iterator[tuple[Path, dict[str, Any], list[np.ndarray]]]:
  """File, position and arrays of each checkpoint that can be read, the newest first.

  Args:
    folder: of the run.
    skipped: gets a line for each that cannot.
  """
  for file in _files(folder):
    try:
      with file.open("rb") as stream, np.load(stream) as archive:
        position = json.loads(str(archive["position"]))
        dtypes = json.loads(str(archive["dtypes"]))
        # A dtype that NumPy does not know, as bfloat16, comes back as its bytes.
        arrays = [archive[str(i)].view(jnp.dtype(dtype)) for i, dtype in enumerate(dtypes)]
    except Exception:  # torn: zip, zlib and NumPy raise a dozen kinds
      if skipped is not None:
        skipped.append(f"{file}: it cannot be read")
      continue
    yield file, position, arrays


def exist(folder: Path) -> bool:
  """Whether there is a checkpoint, readable or not."""
  return bool(_files(folder))


def delete(folder: Path) -> None:
  """Removes a run's checkpoints: it is at its end."""
  shutil.rmtree(folder / FOLDER, ignore_errors=True)
