"""MNIST: the paper's MLP on 1,000 images, from initial parameters eight times too large.

    python -m experiments.data prepare mnist
    python -m experiments.mnist --method grokfast_ema

The 1,000 images are soon known by heart; the question is how many steps later the 10,000 test
images are. The paper compares its filter at weight decay 2 with a baseline at weight decay 0.01;
`--weight-decay` is for the two controls that it has not.
"""

import dataclasses
import itertools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from experiments.fields import POSITIVE, between, setting
from experiments.tasks.datasets import mnist, store
from experiments.tasks.models.layers import linear, pure
from experiments.tasks.task import TORCHS_ADAMW, Data, Goal, Model, Source, Task, accuracy

SIZES = (784, 200, 200, 10)


@dataclasses.dataclass(frozen=True)
class Settings:
  """Train the paper's MLP on 1,000 images of MNIST and see when it generalizes."""

  init_scale: float = setting(8.0, "model", "factor of all initial parameters", POSITIVE)
  batch_size: int = setting(200, "shape", "images a step", between(1, mnist.TRAINING))
  data: Path | None = store.folder_setting()


def model(settings: Settings) -> Model:
  """The paper's model and loss; an example is (pixels, float (784,), and a digit, int32 ())."""

  def build(rngs):
    layers = [linear(inputs, outputs, rngs) for inputs, outputs in itertools.pairwise(SIZES)]
    return nnx.Sequential(layers[0], nnx.relu, layers[1], nnx.relu, layers[2])

  init, predict = pure(build, scale=settings.init_scale)

  def loss(answers, digits):
    return jnp.mean((answers - jax.nn.one_hot(digits, SIZES[-1])) ** 2, axis=-1)

  return Model(init, predict, loss, {"accuracy": accuracy})


def examples(images: np.ndarray, labels: np.ndarray) -> tuple[jax.Array, jax.Array]:
  """uint8 (N, 28, 28), uint8 (N,) -> float32 (N, 784) in [0, 1], int32 (N,)."""
  pixels = images.reshape(len(images), -1).astype(np.float32) / 255
  return jnp.asarray(pixels), jnp.asarray(labels, jnp.int32)


def _data(settings: Settings, key: jax.Array) -> Data:
  del key  # the split is the dataset's
  arrays, origin = store.load("mnist", settings.data)
  train, test = (examples(arrays[f"{p}_images"], arrays[f"{p}_labels"]) for p in ("train", "test"))
  return Data(train, test, origin)


# One seed each, evaluated every 667 steps.
_PUBLISHED = {
  "baseline": {"val_85_step": 44_022, "last_val_accuracy": 0.898},
  "grokfast_ema": {"val_85_step": 2_001, "last_val_accuracy": 0.912},
}

MNIST = Task(
  name="mnist",
  settings=Settings,
  data=_data,
  model=model,
  source=Source(
    settings={
      **TORCHS_ADAMW,
      "weight_decay": 2.0,
      "steps": 100_000,
      "eval_every": 20,
    },
    by_method={
      "baseline": {"weight_decay": 0.01},
      "grokfast_ema": {"alpha": 0.8, "lamb": 0.1},
    },
    published=lambda values: _PUBLISHED.get(values["method"], {}),
  ),
  goals=(Goal("val_accuracy", 0.85), Goal("val_accuracy", 0.95)),
  columns={
    "85 % test": "val_85_step",
    "sustained": "val_85_sustained_step",
    "95 % test": "val_95_step",
    "best test accuracy": "best_val_accuracy",
    "last tenth": "last_val_accuracy",
  },
  answers="classes",
  always_shown=("weight_decay",),
  same_split=True,
)
