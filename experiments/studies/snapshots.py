"""A run's way through parameter space: its axes, and distances, norms and ranks on the way.

Its snapshots need not fit in memory: they are rows of a file, read in blocks of columns.
"""

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import jax
import numpy as np

from experiments.files import digest, new_file
from experiments.reports.ways import END, WAYS
from experiments.runs import plan
from experiments.runs.launch import parameters
from experiments.runs.settings import Settings
from experiments.training.population import Population

# The first evaluation at which an accuracy is so high. The training accuracy is the epoch's, each
# batch before its own update.
REACHED = {"B": ("train_accuracy", 0.99), "C": ("val_accuracy", 0.95)}
SNAPSHOTS = 200  # of a run, about
BLOCK = 2**14  # columns at a time

# Of a difference of two points. How far is a question of unit; these are the ones in use.
MEASURES = {
  "euclidean": lambda d: np.sqrt(np.sum(d**2)),
  "rms": lambda d: np.sqrt(np.mean(d**2)),
  "mean_square": lambda d: np.mean(d**2),
  "mean_absolute": lambda d: np.mean(np.abs(d)),
}


def named(params: Any) -> dict[str, np.ndarray]:
  """The arrays of a tree by their paths; copies, for the next step takes the tree's memory."""
  return {path: array.copy() for path, array in parameters(params).items()}


def vector(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
  """All parameters in a row."""
  return np.concatenate([array.ravel() for array in arrays.values()])


def append(file: BinaryIO, arrays: Mapping[str, np.ndarray]) -> None:
  """Writes a snapshot at a file's end."""
  file.write(vector(arrays).astype(np.float32).tobytes())


def rows_of(file: BinaryIO, count: int) -> np.ndarray:
  """A file's snapshots as an array that stays in the file: (count, parameters)."""
  file.flush()
  return np.memmap(file, np.float32, "r").reshape(count, -1)


def principal_axes(
  rows: np.ndarray, count: int = 2, block: int = BLOCK
) -> tuple[np.ndarray, np.ndarray]:
  """The mean of rows, (n,), and their first principal axes, (count, n).

  With the centred rows X = U S Vᵀ, their Gram matrix X Xᵀ = U S² Uᵀ is small, and Vᵀ = S⁻¹ Uᵀ X.
  The last row is on the positive side of each axis.
  """
  gram, mean = np.zeros((len(rows), len(rows))), np.empty(rows.shape[1])
  for columns in _blocks(rows.shape[1], block):
    part = rows[:, columns].astype(np.float64)
    mean[columns] = part.mean(0)
    part -= mean[None, columns]
    gram += part @ part.T
  squares, left = np.linalg.eigh(gram)  # the largest comes last
  squares, left = squares[::-1][:count], left[:, ::-1][:, :count].T
  left = left * np.where(left[:, -1:] < 0, -1, 1) / np.sqrt(squares)[:, None]
  axes = np.empty((count, rows.shape[1]))
  for columns in _blocks(rows.shape[1], block):
    axes[:, columns] = left @ (rows[:, columns] - mean[None, columns])
  return mean, axes


def projected(rows: np.ndarray, mean: np.ndarray, axes: np.ndarray) -> tuple[np.ndarray, float]:
  """Rows on axes through a mean, (rows, axes), and the share of their spread that is seen there."""
  mean, axes = mean.astype(np.float64), axes.astype(np.float64)
  seen, spread = np.empty((len(rows), len(axes))), 0.0
  for i, row in enumerate(rows):
    away = row - mean
    seen[i] = axes @ away
    spread += away @ away
  return seen, float(np.sum(seen**2) / spread)


def distances(a: Mapping[str, np.ndarray], b: Mapping[str, np.ndarray]) -> dict[str, float]:
  """How far a point is from another, over all parameters, in each measure."""
  difference = vector(b).astype(np.float64) - vector(a)
  return {name: float(measure(difference)) for name, measure in MEASURES.items()}


def norms(arrays: Mapping[str, np.ndarray]) -> dict[str, float]:
  """The Frobenius norm of each array."""
  return {path: float(np.linalg.norm(a.astype(np.float64))) for path, a in arrays.items()}


def effective_rank(matrix: np.ndarray) -> float:
  """The exponential of the entropy of the singular values' shares (Roy and Vetterli, 2007).

  >>> round(effective_rank(np.diag([3.0, 3.0, 3.0, 0.0])), 6)
  3.0
  """
  values = np.linalg.svd(matrix.astype(np.float64), compute_uv=False)
  shares = values[values > 0] / values.sum()
  return float(np.exp(-np.sum(shares * np.log(shares))))


def ranks(arrays: Mapping[str, np.ndarray]) -> dict[str, float]:
  """The effective rank of each matrix."""
  return {path: effective_rank(a) for path, a in arrays.items() if a.ndim == 2}


def walk(made: Settings) -> Iterator[tuple[int, Mapping[str, Any], Any]]:
  """Trains; yields the step, the scores and the parameters, at first and after each evaluation."""
  member, _ = plan.init_of(made)
  run = Population(plan.train_of(made), member, epochs=made["eval_every"])
  run.begin([member])
  yield 0, {}, run.state.params
  step = 0
  while step < made["steps"]:
    row = jax.device_get(run.advance())
    step = int(row["step"])
    yield step, row, run.state.params


def recorded(made: Settings, axes_file: Path, *, first: bool, bar: Any = None) -> dict[str, Any]:
  """One run: its points, what was measured there and between them, and its way on the axes.

  Args:
    made: its settings.
    axes_file: has the mean and the axes.
    first: whether this is the run that they are made of, and the file is yet to be written.
    bar: of progress, told of each step.
  """
  points: dict[str, tuple[int, dict[str, np.ndarray]]] = {}
  steps: list[int] = []
  every, last = 1, 0
  with tempfile.TemporaryFile(dir=axes_file.parent) as file:
    for number, (step, row, params) in enumerate(walk(made)):
      if number == 1:
        every = max(1, round(made["steps"] / step / SNAPSHOTS))
      new = [n for n, (s, goal) in REACHED.items() if n not in points and row.get(s, 0) >= goal]
      new += ["A"] * (step == 0) + [END] * (step >= made["steps"])
      due = number % every == 0
      if new or due:
        here = named(params)
        points |= dict.fromkeys(new, (step, here))
        if due:
          append(file, here)
          steps.append(step)
      if bar is not None:
        bar.update(step - last)
      last = step
    rows = rows_of(file, len(steps))
    if first:
      _save(axes_file, np.vstack(principal_axes(rows)))
    mean, *axes = np.load(axes_file)
    seen, share = projected(rows, mean, np.stack(axes))
  at = np.stack([vector(arrays) for _, arrays in points.values()])
  places, _ = projected(at, mean, np.stack(axes))
  found = {name: arrays for name, (_, arrays) in points.items()}
  return {
    "axes": digest(axes_file).hexdigest(),
    "steps": {name: points[name][0] if name in points else None for name in ("A", *REACHED, END)},
    "parameters": len(mean),
    "distances": {
      f"{a} to {b}": distances(found[a], found[b]) if {a, b} <= found.keys() else None
      for a, b in WAYS
    },
    "share": share,
    "places": dict(zip(points, places.tolist(), strict=True)),
    "way": {"step": steps, "first": seen[:, 0].tolist(), "second": seen[:, 1].tolist()},
    "norms": {name: norms(arrays) for name, arrays in found.items()},
    "ranks": {name: ranks(arrays) for name, arrays in found.items()},
  }


def _save(file: Path, array: np.ndarray) -> None:
  with new_file(file) as part, part.open("wb") as opened:
    np.save(opened, array.astype(np.float32))


def _blocks(size: int, block: int) -> Iterator[slice]:
  return (slice(begin, begin + block) for begin in range(0, size, block))
