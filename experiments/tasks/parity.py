"""Sparse parity: the product of k secret coordinates of x in {-1, 1}^n.

    python -m experiments parity --k 3
    python -m experiments parity --samples 1000        # a training set, soon known by heart

A network that knows fewer than all k coordinates does no better than chance, so that accuracy
stays at one half and then jumps. Hinge loss, ReLUs in one hidden layer, and SGD without momentum,
at 0.1 and in batches of 32, are those of Barak et al. (2022, arXiv:2207.08799); width and weight
decay those with which Merrill et al. (2023, arXiv:2303.11873) see it grok from 1,000 examples.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from experiments.fields import UsageError, between, setting
from experiments.tasks.models.layers import linear, pure
from experiments.tasks.task import (
  GROKKING_COLUMNS,
  Data,
  Examples,
  Goal,
  Model,
  Source,
  Task,
  check_batch,
)

VALIDATION = 1_000


@dataclasses.dataclass(frozen=True)
class Settings:
  """Learn the product of k secret coordinates of n and see when it is found."""

  n: int = setting(20, "model", "coordinates, each -1 or 1", between(10, 60))
  k: int = setting(3, "shape", "how many of them are multiplied", between(1, 60))
  samples: int = setting(
    0, "shape", "examples to train on; 0 draws fresh ones at each step", between(0, 2**31 - 1)
  )
  batch_size: int = setting(32, "shape", "examples a step", between(1, 65_536))
  width: int = setting(1_000, "model", "of the hidden layer", between(1, 65_536))


def _check(settings: Settings) -> None:
  if settings.k > settings.n:
    raise UsageError(f"--k must be at most --n {settings.n}; got {settings.k}.")
  if settings.samples > (most := 2**settings.n - VALIDATION):
    raise UsageError(
      f"--samples must be at most {most:,}, for {VALIDATION:,} of all 2^{settings.n} inputs "
      f"validate; got {settings.samples}."
    )
  if settings.samples:
    check_batch(settings.batch_size, settings.samples, "examples")


def _labelled(x: jax.Array, secret: jax.Array) -> tuple[jax.Array, jax.Array]:
  return x, x[:, secret].prod(-1)


def _data(settings: Settings, key: jax.Array) -> Data:
  """The secret and inputs, no two of which are alike, by the run's key."""
  rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
  secret = jnp.asarray(rng.choice(settings.n, settings.k, replace=False))
  inputs = rng.choice(2**settings.n, settings.samples + VALIDATION, replace=False)
  x = (inputs[:, None] >> np.arange(settings.n) & 1) * 2.0 - 1
  held_out, train = (
    _labelled(jnp.asarray(part, jnp.float32), secret) for part in np.split(x, [VALIDATION])
  )
  return Data(train if settings.samples else secret, held_out)


def _fresh(settings: Settings, key: jax.Array, secret: jax.Array) -> Examples:
  x = jax.random.rademacher(key, (settings.batch_size, settings.n), jnp.float32)
  return _labelled(x, secret)


def model(settings: Settings) -> Model:
  """The network and its hinge loss; an example is (x, float (n,), and the product, float ())."""

  def build(rngs):
    hidden, out = linear(settings.n, settings.width, rngs), linear(settings.width, 1, rngs)
    return nnx.Sequential(hidden, nnx.relu, out, lambda outputs: outputs[..., 0])

  return Model(
    *pure(build),
    loss=lambda outputs, answers: nnx.relu(1 - outputs * answers),
    metrics={"accuracy": lambda outputs, answers: jnp.float32(outputs * answers > 0)},
  )


PARITY = Task(
  name="parity",
  settings=Settings,
  data=_data,
  model=model,
  source=Source(
    settings={
      "optimizer": "sgd",
      "learning_rate": 0.1,
      "momentum": 0.0,
      "weight_decay": 0.01,
      "steps": 20_000,
      "eval_every": 10,
    },
  ),
  goals=(Goal("val_accuracy", 0.95),),
  columns=GROKKING_COLUMNS,
  sample=lambda settings: None if settings.samples else functools.partial(_fresh, settings),
  check=_check,
)
