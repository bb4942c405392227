"""Permutations of five things: their composition in S5, by Power et al. (2022, arXiv:2201.02177).

    python -m experiments s5 --operation xy

The group has 120 elements, numbered in lexicographic order, so 0 is the identity; xy is y first,
then x. The model is that of modular arithmetic, the optimizer theirs: AdamW with weight decay 1.
"""

import dataclasses
import itertools
from collections.abc import Callable

import jax
import numpy as np

from experiments.fields import one_of, setting
from experiments.tasks import pairs
from experiments.tasks.task import GROKKING_COLUMNS, Data, Goal, Source, Task

ELEMENTS = np.array(list(itertools.permutations(range(5))))  # row i, column j: where i sends j


def compose(*permutations: np.ndarray) -> np.ndarray:
  """The product of permutations, each (rows, 5), the last of which comes first."""
  *others, product = permutations
  for left in reversed(others):
    product = np.take_along_axis(left, product, axis=-1)
  return product


def inverse(permutations: np.ndarray) -> np.ndarray:
  """What undoes each: (rows, 5) -> (rows, 5)."""
  return np.argsort(permutations, axis=-1)


def number(permutations: np.ndarray) -> np.ndarray:
  """The place of each in `ELEMENTS`: (rows, 5) -> (rows,)."""
  weights = 5 ** np.arange(4, -1, -1)  # digits in base 5, whose order is the lexicographic one
  return np.searchsorted(ELEMENTS @ weights, permutations @ weights)


OPERATIONS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
  "xy": compose,
  "xyx-1": lambda x, y: compose(x, y, inverse(x)),
  "xyx": lambda x, y: compose(x, y, x),
}


@dataclasses.dataclass(frozen=True)
class Settings(pairs.Settings):
  """Train the paper's transformer on composition in S5 and see when it generalizes."""

  operation: str = setting("xy", "data", "of two permutations; x-1 undoes x", one_of(*OPERATIONS))

  @property
  def numbers(self) -> int:
    """The elements of the group."""
    return len(ELEMENTS)


def table(operation: str) -> tuple[np.ndarray, ...]:
  """All pairs with their answers, x slowest: three int32 arrays (14,400,).

  >>> x, y, answer = table("xyx-1")
  >>> print(x[121], y[121], answer[121])
  1 1 1
  """
  x, y = pairs.all_pairs(*[np.arange(len(ELEMENTS))] * 2)
  answer = number(OPERATIONS[operation](ELEMENTS[x], ELEMENTS[y]))
  return tuple(a.astype(np.int32) for a in (x, y, answer))


def _data(settings: Settings, key: jax.Array) -> Data:
  return pairs.split(settings, key, table(settings.operation))


S5 = Task(
  name="s5",
  settings=Settings,
  data=_data,
  model=pairs.model,
  source=Source(
    settings={
      "optimizer": "adamw",
      "learning_rate": 1e-3,
      "weight_decay": 1.0,
      "b1": 0.9,
      "b2": 0.98,
      "lr_warmup": 10.0,
      "steps": 10_000,
      "eval_every": 1,
    },
    full_steps=100_000,
  ),
  goals=(Goal("val_accuracy", 0.95),),
  columns=GROKKING_COLUMNS,
  check=pairs.check,
  answers="classes",
  variants=("operation",),
)
