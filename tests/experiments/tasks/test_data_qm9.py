"""QM9 prepared: features by hand, from a csv, through TensorFlow Datasets, and what is refused."""

import csv
import hashlib
import sys

import numpy as np
import pytest

from experiments import data as command
from experiments.fields import UsageError
from experiments.tasks.datasets import qm9
from experiments.tasks.datasets.store import load, prepare
from tests.experiments.tools import assert_refused, error_of

# By hand: each heavy atom with its hybridization and hydrogens, "*" for aromatic; then the bonds
# between heavy atoms: their positions and order, 4 for aromatic.
BY_HAND = {
  "C": (["C sp3 4"], []),
  "N": (["N sp3 3"], []),
  "O": (["O sp3 2"], []),
  "C#C": (["C sp 1", "C sp 1"], [(0, 1, 3)]),
  "C#N": (["C sp 1", "N sp 0"], [(0, 1, 3)]),
  "C=O": (["C sp2 2", "O sp2 0"], [(0, 1, 2)]),
  "CF": (["C sp3 3", "F sp3 0"], [(0, 1, 1)]),
  "C1CO1": (["C sp3 2", "C sp3 2", "O sp3 0"], [(0, 1, 1), (1, 2, 1), (0, 2, 1)]),
  "C(=O)N": (["C sp2 1", "O sp2 0", "N sp2 2"], [(0, 1, 2), (0, 2, 1)]),  # an amide's N is flat
  "c1cnc[nH]1": (
    ["C* sp2 1", "C* sp2 1", "N* sp2 0", "C* sp2 1", "N* sp2 1"],
    [(0, 1, 4), (1, 2, 4), (2, 3, 4), (3, 4, 4), (0, 4, 4)],
  ),
}
NUMBER = {"H": 1, "C": 6, "N": 7, "O": 8, "F": 9}


@pytest.mark.parametrize("smiles", BY_HAND)
def test_features_by_hand(smiles):
  heavy, bonds = BY_HAND[smiles]
  expected, hydrogens = [], []
  for i, text in enumerate(heavy):
    symbol, hybridization, bound = text.split()
    element = symbol.removesuffix("*")
    expected.append(
      [element == e for e in "HCNOF"]
      + [NUMBER[element], "*" in symbol, *(hybridization == k for k in ("sp", "sp2", "sp3"))]
      + [int(bound)]
    )
    hydrogens += [i] * int(bound)
  expected += [[1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]] * len(hydrogens)
  matrix = np.zeros((len(expected),) * 2, int)
  for i, j, order in [*bonds, *((i, len(heavy) + k, 1) for k, i in enumerate(hydrogens))]:
    matrix[i, j] = matrix[j, i] = order
  atoms, found = qm9.graph(smiles)
  assert atoms.tolist() == [list(map(int, row)) for row in expected]
  assert found.tolist() == matrix.tolist()


@pytest.mark.parametrize(
  ("smiles", "told"), [("C(", r"'C\('"), ("CCl", "'CCl'.* Cl; .*H, C, N, O, F")]
)
def test_no_molecule_of_qm9(smiles, told):
  with pytest.raises(UsageError, match=told):
    qm9.graph(smiles)


ROWS = [(i, smiles, 5.0 + i) for i, smiles in enumerate(BY_HAND, 1)]  # 8 is left out


def write(file, rows, header=("mol_id", "smiles", "alpha")):
  with file.open("w", newline="") as stream:
    csv.writer(stream).writerows([header, *((f"gdb_{i}", s, f"{a:g}") for i, s, a in rows)])


@pytest.fixture
def made(tmp_path, monkeypatch):
  """A folder with a csv of ten molecules, of which all but one are used."""
  folder = tmp_path / "files"
  folder.mkdir()
  write(folder / "qm9_made.csv", [*ROWS, (11, "CC", 1.0)])
  used = [row for row in ROWS if row[0] != 8]
  text = "".join(qm9._line(qm9.Molecule(*row)) for row in used)
  monkeypatch.setattr(qm9, "NUMBERS", tuple(row[0] for row in used))
  monkeypatch.setattr(qm9, "SHA256", hashlib.sha256(text.encode()).hexdigest())
  return folder


def test_from_a_made_file(made, tmp_path):
  prepare("qm9", made, tmp_path / "data")
  arrays, manifest = load("qm9", tmp_path / "data")
  assert arrays["alpha"].tolist() == [6, 7, 8, 9, 10, 11, 12, 14, 15]
  assert arrays["sizes"].tolist() == [5, 4, 3, 4, 3, 4, 5, 6, 9]
  assert arrays["atoms"].shape == (9, 9, 11)
  assert arrays["bonds"].shape == (9, 9, 9)
  atoms, bonds = qm9.graph("C#N")
  np.testing.assert_array_equal(arrays["atoms"][4, :3], atoms)
  np.testing.assert_array_equal(arrays["bonds"][4, :3, :3], bonds)
  assert not arrays["atoms"][4, 3:].any()
  assert not arrays["bonds"][4, 3:].any()
  assert not arrays["bonds"][4, :, 3:].any()
  assert manifest["order"] == "the original's"


def test_another_spelling_of_the_same_molecules(made, tmp_path):
  """Only the order of the atoms is another."""
  spelled = {"C(=O)N": "NC=O", "c1cnc[nH]1": "c1c[nH]cn1", "C#N": "N#C"}
  write(made / "qm9_made.csv", [(i, spelled.get(s, s), a) for i, s, a in ROWS])
  prepare("qm9", made, tmp_path / "data")
  arrays, _ = load("qm9", tmp_path / "data")
  assert arrays["sizes"].tolist() == [5, 4, 3, 4, 3, 4, 5, 6, 9]
  write(made / "qm9_made.csv", [(i, "C=N" if s == "C#N" else s, a) for i, s, a in ROWS])
  with pytest.raises(UsageError, match=r"qm9_made\.csv.*SHA-256"):
    prepare("qm9", made, tmp_path / "data")


def test_without_rdkit(made, tmp_path, monkeypatch, capsys):
  monkeypatch.setitem(sys.modules, "rdkit", None)
  arguments = ["prepare", "qm9", "--from", made, "--folder", tmp_path / "data"]
  line = error_of(command.main, arguments, capsys)
  assert all(part in line for part in ("RDKit", "pip install"))


def test_from_the_real_file(real_data, tmp_path):
  """gdb_1 to 103 without 58, 61 and 80; their content has the SHA-256 that the module states."""
  prepare("qm9", real_data / "qm9", tmp_path)
  arrays, _ = load("qm9", tmp_path)
  assert arrays["alpha"][:4].tolist() == pytest.approx([13.21, 9.46, 6.31, 16.28])
  assert arrays["atoms"].shape == (100, 17, 11)
  heavy = (arrays["atoms"][..., 1:5].sum((1, 2))).tolist()
  assert heavy == sorted(heavy)  # GDB-9 counts up
  assert (heavy[0], heavy[-1]) == (1, 5)


def test_through_tensorflow_datasets(made, tmp_path):
  tfds = pytest.importorskip("tensorflow_datasets")
  rows = [{"index": i, "SMILES": s.encode(), "alpha": np.float32(a)} for i, s, a in ROWS if i != 8]
  with tfds.testing.mock_data(as_data_source_fn=lambda *_, **__: rows):
    prepare("qm9", None, tmp_path / "tfds")
  prepare("qm9", made, tmp_path / "file")
  ours, manifest = load("qm9", tmp_path / "tfds")
  for name, array in load("qm9", tmp_path / "file").arrays.items():
    np.testing.assert_array_equal(ours[name], array)
  assert manifest["source"].startswith("TensorFlow Datasets, qm9/original/")


def test_tensorflow_datasets_features_have_the_names_that_are_read():
  tfds = pytest.importorskip("tensorflow_datasets")
  with tfds.testing.mock_data():
    features = tfds.builder("qm9/original").info.features
  assert {"index", "SMILES", "alpha"} <= set(features)


BAD = {
  "missing": (lambda file: file.unlink(), ("qm9*.csv",)),
  "a row is missing": (
    lambda file: write(file, [row for row in ROWS if row[0] != 4]),
    ("qm9_made.csv", "gdb_4"),
  ),
  "altered": (
    lambda file: write(file, [(i, s, a + (i == 2)) for i, s, a in ROWS]),
    ("qm9_made.csv", "SHA-256"),
  ),
  "a column is missing": (
    lambda file: write(file, ROWS, ("mol_id", "smiles", "mu")),
    ("qm9_made.csv", "'alpha'"),
  ),
  "no number": (
    lambda file: file.write_text("mol_id,smiles,alpha\ngdb_x,C,1\n"),
    ("qm9_made.csv", "damaged", "'x'"),
  ),
  "a torn row": (
    lambda file: file.write_text("mol_id,smiles,alpha\ngdb_1,C\n"),
    ("qm9_made.csv", "damaged"),
  ),
  "no text": (
    lambda file: file.write_bytes(b"\xff\xfe\x00"),
    ("qm9_made.csv",),
  ),
}


@pytest.mark.parametrize(("harm", "told"), BAD.values(), ids=BAD)
def test_a_bad_file_is_one_line_and_leaves_nothing(made, tmp_path, capsys, harm, told):
  harm(made / "qm9_made.csv")
  assert_refused("qm9", made, told, tmp_path / "data", capsys)
