"""QM9: the first 100 molecules, with the features of their atoms and bonds.

R. Ramakrishnan, P. Dral, M. Rupp, O. A. von Lilienfeld, *Quantum chemistry structures and
properties of 134 kilo molecules*, Scientific Data 1, 2014. An atom has 11 features and a bond
one of four orders, as PyTorch Geometric's QM9 has them.
"""

import csv
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from experiments.fields import UsageError
from experiments.tasks.datasets import store
from experiments.tasks.datasets.store import Rows

ELEMENTS = ("H", "C", "N", "O", "F")
ORDERS = ("SINGLE", "DOUBLE", "TRIPLE", "AROMATIC")  # bond order b is kept as its position + 1
FEATURES = len(ELEMENTS) + 6
# Of 3,054 molecules whose geometry could not be confirmed; usually left out.
UNCHARACTERIZED = (58, 61, 80)
NUMBERS = tuple(i for i in range(1, 104) if i not in UNCHARACTERIZED)
# Of `check`'s lines, which are the same however the SMILES are spelled.
SHA256 = "ac7220ee7735db4cfd5126dae5f4dc07f2605d2fbe48a5b8a7cea28db668fa10"


class Molecule(NamedTuple):
  """A row that is used.

  Attributes:
    number: its number in GDB-9.
    smiles: its structure.
    alpha: isotropic polarizability, in cubic Bohr radii.
  """

  number: int
  smiles: str
  alpha: float


def graph(smiles: str) -> tuple[np.ndarray, np.ndarray]:
  """A molecule's atoms, hydrogens too, and bonds.

  Args:
    smiles: its structure.

  Returns:
    Of A atoms uint8 (A, 11): one-hot of H, C, N, O, F; atomic number; whether aromatic, sp, sp2,
    sp3; and how many hydrogens are bound to it. And uint8 (A, A): for each pair the bond's order,
    1 to 4 for single, double, triple and aromatic, or 0 without a bond.

  >>> atoms, bonds = graph("C=O")  # carbon, oxygen, two hydrogens
  >>> atoms[0].tolist(), bonds[0].tolist()
  ([0, 1, 0, 0, 0, 6, 0, 0, 1, 0, 2], [0, 2, 1, 1])
  """
  try:
    from rdkit import Chem
  except ImportError:
    raise UsageError('RDKit is not installed: pip install -e ".[data]".') from None
  molecule = Chem.MolFromSmiles(smiles)
  if molecule is None:
    raise UsageError(f"{smiles!r} is not a molecule's SMILES.")
  molecule = Chem.AddHs(molecule)
  atoms = np.zeros((molecule.GetNumAtoms(), FEATURES), np.uint8)
  bonds = np.zeros((len(atoms), len(atoms)), np.uint8)
  for i, atom in enumerate(molecule.GetAtoms()):
    if atom.GetSymbol() not in ELEMENTS:
      raise UsageError(f"{smiles!r} has an atom {atom.GetSymbol()}; QM9 has {', '.join(ELEMENTS)}.")
    hydrogens = sum(neighbour.GetSymbol() == "H" for neighbour in atom.GetNeighbors())
    hybridization = str(atom.GetHybridization())
    atoms[i, ELEMENTS.index(atom.GetSymbol())] = 1
    atoms[i, len(ELEMENTS) :] = [
      atom.GetAtomicNum(),
      atom.GetIsAromatic(),
      *(hybridization == kind for kind in ("SP", "SP2", "SP3")),
      hydrogens,
    ]
  for bond in molecule.GetBonds():
    i, j = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
    bonds[i, j] = bonds[j, i] = ORDERS.index(str(bond.GetBondType())) + 1
  return atoms, bonds


def padded(molecules: Iterable[Molecule]) -> dict[str, np.ndarray]:
  """All molecules' graphs, filled up with atoms that are nothing to the size of the largest.

  Returns:
    `atoms` uint8 (M, A, 11), `bonds` uint8 (M, A, A), `sizes` int32 (M,): how many atoms there
    are; `alpha` float32 (M,).
  """
  molecules = list(molecules)
  graphs = [graph(molecule.smiles) for molecule in molecules]
  sizes = np.array([len(atoms) for atoms, _ in graphs], np.int32)
  filling = [(0, sizes.max() - size) for size in sizes]
  return {
    "atoms": np.stack([np.pad(a, (f, (0, 0))) for (a, _), f in zip(graphs, filling, strict=True)]),
    "bonds": np.stack([np.pad(b, (f, f)) for (_, b), f in zip(graphs, filling, strict=True)]),
    "sizes": sizes,
    "alpha": np.array([molecule.alpha for molecule in molecules], np.float32),
  }


def check(molecules: list[Molecule], where: str) -> None:
  """Raises a `UsageError` unless these are the molecules that are used."""
  numbers = tuple(molecule.number for molecule in molecules)
  for expected, found in zip(NUMBERS, (*numbers, *[None] * len(NUMBERS)), strict=False):
    if expected != found:
      raise UsageError(f"{where}: gdb_{expected} is missing; all of gdb_1 to 103 are needed.")
  if (actual := hashlib.sha256("".join(map(_line, molecules)).encode()).hexdigest()) != SHA256:
    raise UsageError(
      f"{where}: structures and polarizabilities have another checksum: their SHA-256 is "
      f"{actual}, expected {SHA256}."
    )


def _line(molecule: Molecule) -> str:
  """Number, atoms and bonds in an order of their own, and polarizability."""
  atoms, bonds = graph(molecule.smiles)
  orders = np.bincount(bonds[np.triu_indices(len(bonds))], minlength=len(ORDERS) + 1)[1:]
  return f"{molecule.number} {sorted(atoms.tolist())} {orders.tolist()} {molecule.alpha:.2f}\n"


def from_folder(folder: Path) -> Rows:
  """Reads a csv file with the columns mol_id, smiles and alpha."""
  file = store.only_file(folder, "qm9*.csv")
  molecules = []
  try:
    with file.open(newline="", encoding="utf-8") as stream:
      for row in csv.DictReader(stream):
        number = int(row["mol_id"].removeprefix("gdb_"))
        if number in NUMBERS:
          molecules.append(Molecule(number, row["smiles"], float(row["alpha"])))
        if len(molecules) == len(NUMBERS):
          break
  except KeyError as error:
    raise UsageError(
      f"{file} has no column {error}; it needs mol_id (as gdb_1), smiles and alpha."
    ) from None
  except (ValueError, TypeError, AttributeError, UnicodeDecodeError) as error:
    raise UsageError(f"{file} is damaged or another file: {error}.") from None
  check(molecules, str(file))
  return Rows(padded(molecules), "a csv file with the original's SMILES", "the original's")


def from_tfds() -> Rows:
  """Downloads through TensorFlow Datasets, whose `qm9/original` has the original's order."""
  rows, name = store.through_tfds("qm9/original", {"train": len(NUMBERS)})
  molecules = [
    Molecule(int(row["index"]), store.text(row["SMILES"]), float(row["alpha"]))
    for row in rows["train"]
  ]
  check(molecules, name)
  return Rows(padded(molecules), name, "the original's")
