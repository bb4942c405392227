"""Where prepared data is kept: a file for each dataset, with a manifest inside.

The file is an `.npz` of arrays and one text, `manifest.json`: where the rows come from, in which
order, and the SHA-256 of each array. It appears whole or not at all.
"""

import datetime
import functools
import hashlib
import importlib
import io
import json
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import numpy as np

from experiments.fields import UsageError, setting
from experiments.files import new_file

Dataset: TypeAlias = Literal["imdb", "mnist", "qm9"]
VARIABLE = "GROKFAX_DATA"


class Prepared(NamedTuple):
  """Data that is ready for training.

  Attributes:
    arrays: by name.
    manifest: `dataset`, `source`, `order`, `prepared` (a time), `sha256` of each array.
  """

  arrays: dict[str, np.ndarray]
  manifest: dict[str, Any]


class Rows(NamedTuple):
  """What a source gave.

  Attributes:
    arrays: by name.
    source: where they come from.
    order: whose order the rows have.
  """

  arrays: dict[str, np.ndarray]
  source: str
  order: str


def default_folder() -> Path:
  """The folder that `GROKFAX_DATA` names, or else one in the user's cache."""
  named = os.environ.get(VARIABLE)
  return Path(named) if named else Path.home() / ".cache" / "grokfax"


def folder_setting() -> Any:
  """The setting of the folder that holds the prepared data."""
  return setting(
    None, "place", f"the folder of the prepared data (default: ${VARIABLE}, or ~/.cache/grokfax)"
  )


def digest(array: np.ndarray) -> str:
  """The SHA-256 of an array's content, whatever file it came in.

  >>> digest(np.zeros(2, np.uint8))[:8]
  '96a296d2'
  """
  return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def check_digests(found: Mapping[str, np.ndarray], expected: Mapping[str, str], where: str) -> None:
  """Raises a `UsageError` for the first array whose content is not the expected one."""
  for name, sha256 in expected.items():
    if (actual := digest(found[name])) != sha256:
      raise UsageError(
        f"{where}: checksum mismatch in {name}: its SHA-256 is {actual}, expected {sha256}."
      )


def only_file(folder: Path, *patterns: str) -> Path:
  """The one file in a folder whose name is like one of the patterns.

  Raises:
    UsageError: if there is none, or more.
  """
  files = sorted({file for pattern in patterns for file in folder.glob(pattern)})
  if len(files) != 1:
    found = ", ".join(file.name for file in files) or "none"
    raise UsageError(f"{folder} must hold one file {' or '.join(patterns)}; found {found}.")
  return files[0]


def through_tfds(name: str, rows: Mapping[str, int]) -> tuple[dict[str, list[Any]], str]:
  """Downloads a dataset through TensorFlow Datasets, with its progress bars and checks.

  Args:
    name: TensorFlow Datasets' own.
    rows: how many are wanted, from the start, by split.

  Returns:
    The rows by split, and the source in words.

  Raises:
    UsageError: if TensorFlow Datasets is not installed, or could not download all of it.
  """
  try:
    import requests
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.download import download_manager, extractor, util
  except ImportError:
    raise UsageError(
      'TensorFlow Datasets is not installed: pip install -e ".[data]", or use --from FOLDER.'
    ) from None
  logging.getLogger("urllib3").setLevel(logging.ERROR)  # it tells of each new attempt
  failures = (
    requests.RequestException,
    download_manager.NonMatchingChecksumError,
    extractor.ExtractError,
    util.DownloadError,
  )
  if sys.stderr.isatty():  # its own bars begin once it is connected, and it tries for minutes
    print(f"downloading {name} through TensorFlow Datasets", file=sys.stderr)
  try:
    # In a folder of its own: what was prepared elsewhere may have another file format.
    own = str(default_folder() / "tensorflow_datasets")
    builder: Any = tfds.builder(name, data_dir=own, file_format="array_record")
    builder.download_and_prepare()
  except failures as error:
    reason = " ".join(str(error).split())
    raise UsageError(
      f"TensorFlow Datasets could not download {name}; --from FOLDER takes the original files. "
      f"It says: {reason}"
    ) from None
  from tqdm import tqdm  # training does without

  taken = {}
  for split, wanted in rows.items():
    source = builder.as_data_source(split=split)
    taken[split] = [source[i] for i in tqdm(range(wanted), f"reading {split}", disable=None)]
  return taken, f"TensorFlow Datasets, {builder.info.full_name}"


def text(value: str | bytes) -> str:
  """A text of TensorFlow Datasets, which may come as bytes."""
  return value.decode() if isinstance(value, bytes) else value


def prepare(dataset: Dataset, source: Path | None = None, folder: Path | None = None) -> Path:
  """Reads, checks and keeps a dataset.

  Args:
    dataset: its name.
    source: a folder with the original files; None for TensorFlow Datasets.
    folder: where the prepared file goes; None for `default_folder()`.

  Returns:
    The prepared file.

  Raises:
    UsageError: if a file of the source is missing, truncated or altered.
    OSError: if the prepared file could not be written; then nothing is left of it.
  """
  module = importlib.import_module(f"experiments.tasks.datasets.{dataset}")
  return keep(dataset, module.from_tfds() if source is None else module.from_folder(source), folder)


def keep(dataset: Dataset, rows: Rows, folder: Path | None = None) -> Path:
  """Writes what a source gave, with its manifest; returns the file."""
  manifest = {
    "dataset": dataset,
    "source": rows.source,
    "order": rows.order,
    "prepared": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    "sha256": {name: digest(array) for name, array in rows.arrays.items()},
  }
  folder = default_folder() if folder is None else folder
  try:
    folder.mkdir(parents=True, exist_ok=True)
  except (FileExistsError, NotADirectoryError):
    raise UsageError(f"--folder {folder} is not a folder.") from None
  file = folder / f"{dataset}.npz"
  with new_file(file) as part, part.open("wb") as stream:
    entries: dict[str, Any] = {"manifest.json": np.array(json.dumps(manifest)), **rows.arrays}
    np.savez_compressed(stream, **entries)
  return file


def load(dataset: Dataset, folder: Path | None = None) -> Prepared:
  """Reads prepared data.

  Raises:
    UsageError: if it is not there, or not as it was written.
  """
  file = (default_folder() if folder is None else folder) / f"{dataset}.npz"
  command = f"python -m experiments.data prepare {dataset}"
  command += "" if folder is None else f" --folder {folder}"
  try:
    written = file.stat().st_mtime_ns
  except (FileNotFoundError, NotADirectoryError):
    raise UsageError(f"{file} is not there: run {command} first.") from None
  return _read(dataset, file, written, command)


@functools.lru_cache(len(get_args(Dataset)))  # the members of a sweep share it
def _read(dataset: Dataset, file: Path, written: int, command: str) -> Prepared:
  """The content of a prepared file that was last written at a time."""
  del written
  try:
    with np.load(io.BytesIO(file.read_bytes())) as archive:
      arrays = {name: archive[name] for name in archive.files}
    manifest = json.loads(str(arrays.pop("manifest.json")))
    digests = {name: manifest["sha256"][name] for name in arrays}
  except Exception:  # zip, zlib and NumPy raise a dozen kinds
    raise UsageError(f"{file} is damaged: run {command} again.") from None
  if manifest["dataset"] != dataset or digests.keys() != manifest["sha256"].keys():
    raise UsageError(f"{file} holds {manifest['dataset']}, or not all of it: run {command} again.")
  check_digests(arrays, digests, str(file))
  for array in arrays.values():
    array.flags.writeable = False
  return Prepared(arrays, manifest)
