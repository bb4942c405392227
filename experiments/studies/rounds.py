"""Rounds of a search: trials spread over a space, then changes to the best, then the best again.

Each trial trains on every operation; its score is the mean validation accuracy over the last
quarter of the budget, and a tenth of the mean over all of it: 1.1 at most. All have the same seed,
one that no table scores, but those that are trained again.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from experiments.fields import UsageError
from experiments.studies.spaces import Space, changed, spread
from experiments.studies.trainer import Trainer

FIRST_SEED = 1_000  # of all trials; that of the best, once more, follows
OPERATIONS = ("mul", "sub")


def scores(curves: np.ndarray) -> np.ndarray:
  """Of (trials, operations, epochs): (trials,)."""
  last = curves[..., -max(1, curves.shape[-1] // 4) :]
  return last.mean((1, 2)) + 0.1 * curves.mean((1, 2))


def search(
  trainer: Trainer,
  space: Space,
  *,
  trials: int,
  rounds: int,
  again: int = 0,
  first: Sequence[Mapping[str, float]] = (),
  stream: int = 0,
  done: Sequence[Mapping[str, Any]] = (),
) -> Iterator[list[dict[str, Any]]]:
  """Yields the trials of each round that is not done, with their curves.

  Args:
    trainer: of the space.
    space: what is searched.
    trials: of a round.
    rounds: the first is spread over the space, each later one nearer to the best so far.
    again: how many of the best have one more round, with another seed.
    first: the first trials; the others of their round are drawn.
    stream: of random numbers.
    done: the trials of the first rounds, of the same search.

  Raises:
    UsageError: if what is done is not of this search.
  """
  rng = np.random.default_rng(stream)
  best: list[tuple[float, dict[str, float]]] = []
  for number in range(rounds + bool(again)):
    seed = FIRST_SEED
    if number == 0:
      chosen = [*map(dict, first), *spread(space, trials - len(first), rng)]
    elif number < rounds:
      top = [trial for _, trial in best[: max(2, trials // 16)]]
      pairs = rng.integers(len(top), size=(trials, 2))
      width = 0.2 * 0.7**number
      chosen = [changed(top[i], top[j], space, width, rng) for i, j in pairs]
    else:
      unique = {tuple(trial.items()): trial for _, trial in best}
      chosen, seed = [*unique.values()][:again], FIRST_SEED + 1
    rows = [dict(row) for row in done if row["round"] == number]
    if not rows:
      rows = _trained(trainer, number, seed, chosen)
      yield rows
    elif [{name: row[name] for name in space} for row in rows] != chosen:
      raise UsageError(f"the trials of round {number} are not those that this search has there.")
    found = [(row["score"], trial) for row, trial in zip(rows, chosen, strict=True)]
    best = sorted([*best, *found], key=lambda one: -one[0])


def _trained(
  trainer: Trainer, number: int, seed: int, chosen: Sequence[dict[str, float]]
) -> list[dict[str, Any]]:
  members = [
    {**trial, "operation": operation, "seed": seed} for trial in chosen for operation in OPERATIONS
  ]
  curves = trainer.curves(members).reshape(len(chosen), len(OPERATIONS), -1)
  return [
    {
      "round": number,
      "seed": seed,
      "score": round(float(score), 4),
      **trial,
      "val_accuracy": np.round(curve.astype(np.float64), 4).tolist(),
    }
    for trial, score, curve in zip(chosen, scores(curves), curves, strict=True)
  ]
