"""A table of x ∘ y: its settings, its split, and the models of it.

A part of all pairs is soon memorised; the question is how many steps later the others are
understood.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, cast

import jax
import numpy as np
import optax

from experiments.fields import INSIDE, POSITIVE, UsageError, between, one_of, setting
from experiments.tasks.models.layers import DOT_GENERAL, OperandDtype, pure
from experiments.tasks.models.quadratic import Quadratic
from experiments.tasks.models.transformer import Transformer
from experiments.tasks.task import Data, Model, accuracy, check_batch, split_rows


@dataclasses.dataclass(frozen=True)
class Settings:
  """What every table has; `numbers` and `pairs` are its own."""

  operation: str = setting("", "data", "x ∘ y")
  train_fraction: float = setting(0.5, "shape", "of all pairs; the others validate", INSIDE)
  batch_size: int = setting(
    512, "shape", "pairs a step; the last batch of an epoch may be smaller", between(1, 2**31 - 1)
  )
  operands: str = setting(
    "float32",
    "model",
    "what matrix products multiply; with bfloat16 their sums stay float32",
    one_of(*DOT_GENERAL),
  )
  model: str = setting(
    "transformer",
    "model",
    "the paper's transformer, or one quadratic hidden layer (Gromov 2023)",
    one_of("transformer", "quadratic"),
  )
  width: int = setting(128, "model", "of the model", between(1, 65_536))
  heads: int = setting(
    4,
    "model",
    "of its attention, a divisor of the width",
    between(1, 65_536),
    only=("model", "transformer"),
  )
  layers: int = setting(
    2, "model", "blocks, one after another", between(1, 1_000), only=("model", "transformer")
  )
  init_scale: float = setting(1.0, "model", "factor of all initial parameters", POSITIVE)

  @property
  def numbers(self) -> int:
    """How many there are to combine."""
    raise NotImplementedError

  @property
  def pairs(self) -> int:
    """How many of their pairs have an answer."""
    return self.numbers**2

  @property
  def training(self) -> int:
    """How many of the pairs are trained on."""
    return int(self.pairs * self.train_fraction)


def check(settings: Settings) -> None:
  """Raises a `UsageError` for a split, a batch or heads that cannot be."""
  if not 0 < settings.training < settings.pairs:
    raise UsageError(
      f"--train-fraction {settings.train_fraction} of {settings.pairs} pairs leaves none to "
      f"{'validate' if settings.training else 'train on'}."
    )
  check_batch(settings.batch_size, settings.training, "pairs")
  if settings.model == "transformer" and settings.width % settings.heads:
    raise UsageError(f"--heads must divide --width {settings.width}; got {settings.heads}.")


def all_pairs(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Each of `x` with each of `y`, x slowest."""
  first, second = np.meshgrid(x, y, indexing="ij")
  return first.ravel(), second.ravel()


def split(settings: Settings, key: jax.Array, rows: tuple[np.ndarray, ...]) -> Data:
  """A table's rows, some to train on and the others to validate."""
  return Data(*split_rows(key, rows, settings.training))


def model(settings: Settings) -> Model:
  """The model, with the paper's loss; an example is (x, y, answer), each int32 ()."""
  sizes: dict[str, Any] = {
    "width": settings.width,
    "operands": cast(OperandDtype, settings.operands),
  }
  build: Callable[..., Any] = Quadratic
  if settings.model == "transformer":
    build = Transformer
    sizes |= {"heads": settings.heads, "layers": settings.layers}
  init, predict = pure(
    lambda rngs: build(settings.numbers, **sizes, rngs=rngs), scale=settings.init_scale
  )
  loss = optax.softmax_cross_entropy_with_integer_labels
  return Model(init, predict, loss, {"accuracy": accuracy})
