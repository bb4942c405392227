"""Prepared data: from the original files, through TensorFlow Datasets, and what is refused."""

import gzip
import json
import struct
import sys

import jax
import numpy as np
import pytest

from experiments import data as command
from experiments.fields import UsageError
from experiments.tasks.datasets import mnist, store
from experiments.tasks.datasets.store import load, prepare
from tests.experiments.tools import (
  altered,
  another,
  assert_refused,
  error_of,
  missing,
  no_gzip,
  shortened,
  truncated,
)

FILES = {
  "train-images-idx3-ubyte.gz": (mnist.IMAGES, mnist.TRAINING),
  "train-labels-idx1-ubyte.gz": (mnist.LABELS, mnist.TRAINING),
  "t10k-images-idx3-ubyte.gz": (mnist.IMAGES, mnist.TEST),
  "t10k-labels-idx1-ubyte.gz": (mnist.LABELS, mnist.TEST),
}


def idx(magic, rows, extra=3):
  """The bytes of a made idx file, with a few rows more than are used."""
  rng = np.random.default_rng(rows + magic)
  shape = (rows + extra, 28, 28) if magic == mnist.IMAGES else (rows + extra,)
  body = rng.integers(0, 10, shape, np.uint8)
  return struct.pack(f">{1 + len(shape)}I", magic, *shape) + body.tobytes(), body[:rows]


@pytest.fixture(scope="module")
def made_once():
  """Made files of MNIST's form, gzipped, and the digests of what is used of them."""
  contents, digests = {}, {}
  for (file, (magic, rows)), name in zip(FILES.items(), mnist.SHA256, strict=True):
    content, used = idx(magic, rows)
    contents[file] = gzip.compress(content, 1)
    digests[name] = store.digest(used)
  return contents, digests


@pytest.fixture
def made(made_once, tmp_path, monkeypatch):
  """A folder with the made files, and their content as what is expected."""
  contents, digests = made_once
  folder = tmp_path / "files"
  folder.mkdir()
  for file, content in contents.items():
    (folder / file).write_bytes(content)
  monkeypatch.setattr(mnist, "SHA256", digests)
  return folder


def test_from_made_files(made, tmp_path):
  file = prepare("mnist", made, tmp_path / "data")
  assert [path.name for path in file.parent.iterdir()] == ["mnist.npz"]
  arrays, manifest = load("mnist", tmp_path / "data")
  for name, (magic, rows) in zip(mnist.SHA256, FILES.values(), strict=True):
    np.testing.assert_array_equal(arrays[name], idx(magic, rows)[1])
  assert manifest["source"] == "the original files"
  assert manifest["order"] == "the original's"
  assert manifest["sha256"] == mnist.SHA256


def test_from_the_real_files(real_data, tmp_path):
  """Rows whose content has the SHA-256 that the module states; the first labels are known."""
  prepare("mnist", real_data / "mnist", tmp_path)
  arrays, _ = load("mnist", tmp_path)
  assert arrays["train_labels"][:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
  assert arrays["test_labels"][:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
  assert arrays["train_images"].shape == (1_000, 28, 28)
  assert arrays["test_images"].mean() / 255 == pytest.approx(0.1325, abs=1e-4)


def test_through_tensorflow_datasets(tmp_path):
  tfds = pytest.importorskip("tensorflow_datasets")
  with tfds.testing.mock_data(num_examples=mnist.TEST):
    prepare("mnist", None, tmp_path)
  arrays, manifest = load("mnist", tmp_path)
  assert {name: array.shape for name, array in arrays.items()} == {
    "train_images": (1_000, 28, 28),
    "train_labels": (1_000,),
    "test_images": (10_000, 28, 28),
    "test_labels": (10_000,),
  }
  assert {array.dtype for array in arrays.values()} == {np.dtype(np.uint8)}
  assert manifest["source"].startswith("TensorFlow Datasets, mnist/")
  assert manifest["order"] == "TensorFlow Datasets'"


def test_a_download_that_fails_is_one_line(tmp_path, monkeypatch, capsys):
  tfds = pytest.importorskip("tensorflow_datasets")
  requests = pytest.importorskip("requests")

  def fail(*_, **__):
    raise requests.ConnectionError("no route\nto the host")

  with tfds.testing.mock_data(num_examples=1):
    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", fail)
    line = error_of(command.main, ["prepare", "mnist", "--folder", tmp_path / "data"], capsys)
  assert all(part in line for part in ("mnist", "--from", "no route to the host"))
  assert not (tmp_path / "data").exists()


def test_a_terminal_is_told_of_a_download_before_it_is_connected(tmp_path, monkeypatch, capsys):
  tfds = pytest.importorskip("tensorflow_datasets")
  told = []

  def connect(*_, **__):
    told.append(capsys.readouterr().err)
    raise KeyboardInterrupt

  monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
  with tfds.testing.mock_data(num_examples=1):
    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", connect)
    with pytest.raises(KeyboardInterrupt):
      prepare("mnist", None, tmp_path)
  assert told == ["downloading mnist through TensorFlow Datasets\n"]


# What is wrong, in a word of the line.
TOLD = {
  missing: "missing",
  truncated: "damaged",
  shortened: "truncated",
  altered: "SHA-256",
  another: "magic",
  no_gzip: "gzip",
}
IMAGES, _, _, LAST_LABELS = FILES
# Images and labels with each harm; each file altered, for each has a digest of its own.
HARMED = [(file, harm) for file in (IMAGES, LAST_LABELS) for harm in TOLD]
HARMED += [(file, altered) for file in FILES if file not in (IMAGES, LAST_LABELS)]


@pytest.mark.parametrize(("file", "harm"), HARMED)
def test_a_bad_file_is_one_line_and_leaves_nothing(made, tmp_path, capsys, file, harm):
  harm(made / file)
  assert_refused("mnist", made, (file, TOLD[harm]), tmp_path / "data", capsys)


def test_a_bad_file_leaves_what_was_prepared_before(made, tmp_path):
  file = prepare("mnist", made, tmp_path)
  before = file.read_bytes()
  altered(made / "train-labels-idx1-ubyte.gz")
  with pytest.raises(UsageError):
    prepare("mnist", made, tmp_path)
  assert file.read_bytes() == before


def test_what_was_prepared_is_checked_when_it_is_read(made, tmp_path):
  remedy = f"python -m experiments.data prepare mnist --folder {tmp_path}"
  with pytest.raises(UsageError, match=remedy):
    load("mnist", tmp_path)
  file = prepare("mnist", made, tmp_path)
  file.write_bytes(file.read_bytes()[:5000])
  with pytest.raises(UsageError, match=f"damaged.*{remedy}"):
    load("mnist", tmp_path)
  prepare("mnist", made, tmp_path)
  arrays, manifest = load("mnist", tmp_path)
  other = {**arrays, "test_labels": arrays["test_labels"] ^ 1}
  np.savez(file, **{"manifest.json": np.array(json.dumps(manifest))}, **other)
  with pytest.raises(UsageError, match=r"test_labels.*SHA-256"):
    load("mnist", tmp_path)


def test_no_flipped_bit_is_a_traceback(prepared, tmp_path):
  """Whatever the bit: it reads as before, or it is one line."""
  content = (prepared / "qm9.npz").read_bytes()
  whole = load("qm9", prepared).arrays
  damaged = 0
  for place in np.random.default_rng(0).integers(0, len(content), 300):
    flipped = bytearray(content)
    flipped[place] ^= 1 << (place % 8)
    (tmp_path / "qm9.npz").write_bytes(flipped)
    try:
      arrays = load("qm9", tmp_path).arrays
    except UsageError:
      damaged += 1
    else:
      jax.tree.map(np.testing.assert_array_equal, arrays, whole)
  assert damaged > 100


def test_the_file_of_another_dataset(prepared, tmp_path):
  (tmp_path / "mnist.npz").write_bytes((prepared / "qm9.npz").read_bytes())
  with pytest.raises(UsageError, match=r"mnist\.npz.*qm9.*prepare mnist"):
    load("mnist", tmp_path)


def test_a_folder_that_is_a_file(made, tmp_path, capsys):
  file = tmp_path / "file"
  file.write_text("mine")
  arguments = ["prepare", "mnist", "--from", made, "--folder", file]
  assert f"--folder {file}" in error_of(command.main, arguments, capsys)
  with pytest.raises(UsageError, match=f"prepare mnist --folder {file}"):
    load("mnist", file)
  assert file.read_text() == "mine"


def test_without_tensorflow_datasets(tmp_path, monkeypatch, capsys):
  monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
  line = error_of(command.main, ["prepare", "mnist", "--folder", tmp_path / "data"], capsys)
  assert all(part in line for part in ("TensorFlow Datasets", "pip install", "--from"))
  assert not (tmp_path / "data").exists()


def test_the_command_says_what_it_did(made, tmp_path, capsys, monkeypatch):
  monkeypatch.setenv(store.VARIABLE, str(tmp_path / "named"))
  assert command.main(["prepare", "mnist", "--from", str(made)]) == 0
  out = capsys.readouterr().out
  assert {"train_images uint8 (1000, 28, 28)", "test_labels uint8 (10000,)"} <= {
    " ".join(line.split()) for line in out.splitlines()
  }
  assert str(tmp_path / "named" / "mnist.npz") in out


@pytest.mark.parametrize(
  ("argv", "told"),
  [
    ([], "action"),
    (["prepare"], "dataset"),
    (["prepare", "cifar"], "cifar"),
    (["remove", "mnist"], "remove"),
    (["prepare", "mnist", "--to"], "--to"),
    (["prepare", "mnist", "--from"], "--from"),
  ],
)
def test_a_bad_command_line(argv, told, capsys):
  assert told in error_of(command.main, argv, capsys)
