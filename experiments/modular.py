"""Modular arithmetic: x ∘ y (mod p), the paper's main experiment.

    python -m experiments.modular --method grokfast_ema --operation mul

trains the paper's transformer on half of all pairs and validates on the other half
after each epoch. The training half is soon memorised; the question is how many
steps later the other half is understood.
"""

import dataclasses
import math
import sys

import jax

from experiments import arithmetic, experiment, methods
from experiments.arithmetic import Operation
from experiments.cli import UsageError
from experiments.experiment import Data, Experiment
from experiments.layers import OperandDtype
from experiments.training import Train, make_train, split_rows

LARGEST_P = 1_000  # an epoch is the least that runs without a look at the metrics

PRESETS = methods.Presets(
  common={
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "weight_decay": 0.0,
    "b1": 0.9,
    "b2": 0.98,
    "lr_warmup": 10.0,
    "steps": 2_500,
    "eval_every": 1,
  },
  sources={
    "baseline": {"steps": 50_000},
    "grokfast_ma": {"weight_decay": 0.01},
    "grokfast_ma_two_stage": {"steps": 5_000},
    "grokfast_ema": {"weight_decay": 0.005},
    "grokfast_ema_delayed_compression": {"optimizer": "adamw", "weight_decay": 0.005},
  },
)
# First step with 95 % validation accuracy, of one seed each: the paper's, and the fork's for
# Delayed Compression.
_PUBLISHED = {
  ("baseline", "mul"): 39_890,
  ("grokfast_ma", "mul"): 790,
  ("grokfast_ma_two_stage", "mul"): 1_920,
  ("grokfast_ema", "mul"): 910,
  ("delayed_compression", "add"): 720,
  ("delayed_compression", "sub"): 1_040,
  ("delayed_compression", "mul"): 710,
  ("delayed_compression", "div"): 980,
}


@dataclasses.dataclass(frozen=True)
class Settings(experiment.Settings):
  """Train the paper's transformer on x ∘ y (mod p) and see when it generalizes."""

  operation: Operation = "mul"
  """x + y, x - y, x · y or x / y"""
  p: int = 97
  """the modulus; a prime for div"""
  train_fraction: float = 0.5
  """of all pairs; the others validate"""
  include_zero: bool = False
  """let y be 0 too (not for div); the reference leaves it out of all four"""
  batch_size: int = 512
  """pairs a step; the last batch of an epoch may be smaller"""
  operands: OperandDtype = "float32"
  """what matrix products multiply; with bfloat16 their sums stay float32"""


def _is_prime(p: int) -> bool:
  return p > 1 and all(p % divisor for divisor in range(2, math.isqrt(p) + 1))


def check(settings: Settings) -> None:
  """Raises a `UsageError` for settings of the task that will not do."""
  if not 2 <= settings.p <= LARGEST_P:
    raise UsageError(f"--p must be from 2 to {LARGEST_P:,}; got {settings.p}.")
  if settings.operation == "div" and not _is_prime(settings.p):
    raise UsageError(f"--operation div needs a prime --p; {settings.p} is not prime.")
  if settings.operation == "div" and settings.include_zero:
    raise UsageError("--include-zero is for add, sub and mul: nothing can be divided by 0.")
  if not 0 < settings.train_fraction < 1:
    raise UsageError(f"--train-fraction must be between 0 and 1; got {settings.train_fraction}.")
  pairs, training = pair_count(settings), train_count(settings)
  if not 0 < training < pairs:
    raise UsageError(
      f"--train-fraction {settings.train_fraction} of {pairs} pairs leaves none to "
      f"{'validate' if training else 'train on'}."
    )
  experiment.check_batch_size(settings, training, "training pairs")


def pair_count(settings: Settings) -> int:
  """How many pairs there are."""
  return settings.p * (settings.p - (not settings.include_zero))


def train_count(settings: Settings) -> int:
  """How many of them are trained on."""
  return int(pair_count(settings) * settings.train_fraction)


def make(settings: Settings) -> Train:
  """The training functions of resolved settings."""
  return make_train(
    arithmetic.task(settings.p, settings.operands),
    lambda numbers: methods.make_optimizer(settings, numbers),
    settings.batch_size,
  )


def _data(settings: Settings, key: jax.Array) -> Data:
  rows = arithmetic.table(settings.operation, settings.p, include_zero=settings.include_zero)
  return Data(split_rows(key, rows, train_count(settings)), {})


def _published(settings: Settings) -> dict[str, float]:
  step = _PUBLISHED.get((settings.method, settings.operation))
  return {"val_95_step": step} if step and settings.p == 97 else {}


EXPERIMENT = Experiment(
  name="modular",
  settings=Settings,
  presets=PRESETS,
  check=check,
  data=_data,
  make=make,
  columns={
    "99 % training": "train_99_step",
    "95 % validation": "val_95_step",
    "sustained": "val_95_sustained_step",
    "dips": "val_95_dips",
  },
  published=_published,
  thresholds=(0.95,),
  choices=("operation",),
)

if __name__ == "__main__":
  sys.exit(EXPERIMENT.main())
