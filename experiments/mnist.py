"""MNIST: the paper's MLP on 1,000 images, from initial parameters eight times too large.

    python -m experiments.data prepare mnist
    python -m experiments.mnist --method grokfast_ema

The 1,000 images are soon known by heart; the question is how many steps later the
10,000 test images are. The paper compares its filter at weight decay 2 with a baseline
at weight decay 0.01; `--weight-decay` is for the two controls that it has not.
"""

import dataclasses
import functools
import itertools
import sys

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from experiments import data, experiment, methods
from experiments.experiment import Data, Experiment
from experiments.layers import linear, pure, scaled
from experiments.training import Split, Task, Train, make_train

SIZES = (784, 200, 200, 10)


@dataclasses.dataclass(frozen=True)
class Settings(experiment.DataSettings):
  """Train the paper's MLP on 1,000 images of MNIST and see when it generalizes."""

  init_scale: float = 8.0
  """factor of all initial parameters"""
  batch_size: int = 200
  """images a step"""


PRESETS = methods.Presets(
  common={
    **methods.TORCHS_ADAMW,
    "weight_decay": 2.0,
    "steps": 100_000,
    "eval_every": 20,
  },
  sources={
    "baseline": {"weight_decay": 0.01},
    "grokfast_ema": {"alpha": 0.8, "lamb": 0.1},
  },
)
# One seed each, evaluated every 667 steps.
PUBLISHED = {
  "baseline": {"val_85_step": 44_022, "last_val_accuracy": 0.898},
  "grokfast_ema": {"val_85_step": 2_001, "last_val_accuracy": 0.912},
}


def check(settings: Settings) -> None:
  """Raises a `UsageError` for settings of the task that will not do."""
  experiment.check_positive(settings, "init_scale")
  experiment.check_batch_size(settings, data.mnist.TRAINING, "training images")


def task(init_scale: float = 8.0) -> Task:
  """The paper's model and loss; rows are (pixels, float (B, 784), and digits, int32 (B,))."""

  def model(rngs):
    layers = [linear(inputs, outputs, rngs) for inputs, outputs in itertools.pairwise(SIZES)]
    return nnx.Sequential(layers[0], nnx.relu, layers[1], nnx.relu, layers[2])

  init, apply = pure(model)

  def score(params, rows):
    pixels, digits = rows
    answers = apply(params, pixels)
    return {
      "loss": jnp.mean((answers - jax.nn.one_hot(digits, SIZES[-1])) ** 2, axis=-1),
      "accuracy": (answers.argmax(-1) == digits).astype(answers.dtype),
    }

  return Task(lambda key: scaled(init(key), init_scale), score)


def rows(images: np.ndarray, labels: np.ndarray) -> tuple[jax.Array, jax.Array]:
  """uint8 (N, 28, 28), uint8 (N,) -> float32 (N, 784) in [0, 1], int32 (N,)."""
  pixels = images.reshape(len(images), -1).astype(np.float32) / 255
  return jnp.asarray(pixels), jnp.asarray(labels, jnp.int32)


def _data(settings: Settings, key: jax.Array) -> Data:
  del key  # the split is the dataset's
  arrays, origin = data.load("mnist", settings.data)
  parts = (rows(arrays[f"{part}_images"], arrays[f"{part}_labels"]) for part in ("train", "test"))
  return Data(Split(*parts), origin)


def make(settings: Settings) -> Train:
  """The training functions of resolved settings."""
  return make_train(
    task(settings.init_scale),
    functools.partial(methods.make_optimizer, settings),
    settings.batch_size,
  )


EXPERIMENT = Experiment(
  name="mnist",
  settings=Settings,
  presets=PRESETS,
  check=check,
  data=_data,
  make=make,
  columns={
    "85 % test": "val_85_step",
    "sustained": "val_85_sustained_step",
    "95 % test": "val_95_step",
    "best test accuracy": "best_val_accuracy",
    "last tenth": "last_val_accuracy",
  },
  published=lambda settings: PUBLISHED.get(settings.method, {}),
  thresholds=(0.85, 0.95),
  factors=("weight_decay",),
  same_split=True,
)

if __name__ == "__main__":
  sys.exit(EXPERIMENT.main())
