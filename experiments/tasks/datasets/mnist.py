"""MNIST: the first 1,000 training images, as the paper uses them, and all 10,000 test images.

Y. LeCun, C. Cortes, C. Burges, *The MNIST database of handwritten digits*.
"""

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np

from experiments.fields import UsageError
from experiments.tasks.datasets import store
from experiments.tasks.datasets.store import Rows, check_digests

TRAINING = 1_000
TEST = 10_000
SIDE = 28
IMAGES, LABELS = 2051, 2049  # the files' magic numbers

# Of the rows that are used, in the original's order.
SHA256 = {
  "train_images": "2304e0137aea1f236247daacc2dcaf275996895e40c4bb0760c448434d361d1a",
  "train_labels": "b03ead2884240483d956c7feac7a9b39d28685062da0a980bb73d2196dc506b8",
  "test_images": "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
  "test_labels": "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5",
}


_FILES = {
  "train_images": ("train-images-idx3-ubyte.gz", IMAGES, TRAINING),
  "train_labels": ("train-labels-idx1-ubyte.gz", LABELS, TRAINING),
  "test_images": ("t10k-images-idx3-ubyte.gz", IMAGES, TEST),
  "test_labels": ("t10k-labels-idx1-ubyte.gz", LABELS, TEST),
}


def from_folder(folder: Path) -> Rows:
  """Reads the four original files, `*-ubyte.gz`."""
  arrays = {}
  for name, (file, magic, rows) in _FILES.items():
    arrays[name] = _read(folder / file, magic, rows)
    check_digests(arrays, {name: SHA256[name]}, str(folder / file))
  return Rows(arrays, "the original files", "the original's")


def _read(file: Path, magic: int, rows: int) -> np.ndarray:
  """The first rows of an idx file: uint8 (rows, 28, 28) of images or (rows,) of labels."""
  shape = (rows, SIDE, SIDE) if magic == IMAGES else (rows,)
  header = 4 * (2 if magic == LABELS else 4)
  length = header + int(np.prod(shape))
  try:
    with gzip.open(file) as stream:
      content = stream.read(length)
  except FileNotFoundError:
    raise UsageError(
      f"{file} is missing; the folder must hold MNIST's four idx.gz files."
    ) from None
  except IsADirectoryError:
    raise UsageError(f"{file} is a folder; a gzip file was expected.") from None
  except (gzip.BadGzipFile, EOFError, zlib.error) as error:
    raise UsageError(f"{file} is damaged or no gzip file: {error}.") from None
  if len(content) < length:
    raise UsageError(f"{file} is truncated: {len(content):,} bytes, expected {length:,} or more.")
  (found,) = struct.unpack(">I", content[:4])
  if found != magic:
    raise UsageError(f"{file} is another file: its magic number is {found}, expected {magic}.")
  return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def from_tfds() -> Rows:
  """Downloads through TensorFlow Datasets, whose order of the rows is its own."""
  rows, name = store.through_tfds("mnist", {"train": TRAINING, "test": TEST})
  arrays = {}
  for part, taken in rows.items():
    arrays[f"{part}_images"] = np.stack([row["image"][..., 0] for row in taken]).astype(np.uint8)
    arrays[f"{part}_labels"] = np.asarray([row["label"] for row in taken], np.uint8)
  return Rows(arrays, name, "TensorFlow Datasets'")
