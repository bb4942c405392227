"""QM9: the paper's graph network on 50 molecules, from initial parameters three times too large.

    python -m experiments.data prepare qm9
    python -m experiments.qm9 --method grokfast_ema

From its graph of atoms and bonds a molecule's polarizability is predicted; 50 molecules
are trained on, 50 others validate. The paper compares its filter at weight decay 0.01
with a baseline that has none; `--weight-decay` is for the two controls that it has not.

Shapes: B molecules, padded to A atoms; T orders of bonds; F features, of which bonds have
as many as there are orders.
"""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from experiments.fields import POSITIVE, between, setting
from experiments.tasks.datasets import qm9, store
from experiments.tasks.models.layers import linear, pure, uniform
from experiments.tasks.task import TORCHS_ADAMW, Data, Model, Source, Task, split_rows

TRAINING = 50
ORDERS = len(qm9.ORDERS)


@dataclasses.dataclass(frozen=True)
class Settings:
  """Train the paper's graph network on 50 molecules of QM9 and see when it generalizes."""

  init_scale: float = setting(3.0, "model", "factor of all initial parameters", POSITIVE)
  batch_size: int = setting(
    32, "shape", "molecules a step; the last batch of an epoch may be smaller", between(1, TRAINING)
  )
  data: Path | None = store.folder_setting()


class NNConv(nnx.Module):
  """A graph convolution whose matrix is, for each edge, a function of the edge's features.

      y_i = x_i R + b + Σ_j x_j M(e_ij)

  over the neighbours j of i, where M is a small network (Gilmer et al. 2017, as in PyTorch
  Geometric). A bond's features say its order and nothing else, so there are but T matrices,
  and the sum is taken over the neighbours at each order before it is multiplied.
  """

  def __init__(self, inputs: int, outputs: int, rngs: nnx.Rngs):
    self.shape = (inputs, outputs)
    self.edge_in = linear(ORDERS, 32, rngs)
    self.edge_out = linear(32, inputs * outputs, rngs)
    zeros = nnx.initializers.zeros
    self.root = linear(inputs, outputs, rngs, kernel_init=uniform(inputs), bias_init=zeros)

  def __call__(self, x: jax.Array, neighbours: jax.Array) -> jax.Array:
    """float (B, A, inputs), float (B, T, A, A) of 1 at bonds -> float (B, A, outputs)."""
    matrices = self.edge_out(nnx.relu(self.edge_in(jnp.eye(ORDERS)))).reshape(ORDERS, *self.shape)
    sums = jnp.einsum("btij,bjf->bitf", neighbours, x)
    return self.root(x) + jnp.einsum("bitf,tfg->big", sums, matrices)


class GraphNetwork(nnx.Module):
  """Two graph convolutions, a sum over the atoms, and two linear layers."""

  def __init__(self, rngs: nnx.Rngs):
    self.conv_1 = NNConv(qm9.FEATURES, 32, rngs)
    self.conv_2 = NNConv(32, 16, rngs)
    self.linear_1 = linear(16, 32, rngs)
    self.linear_2 = linear(32, 1, rngs)

  def __call__(self, atoms: jax.Array, neighbours: jax.Array, real: jax.Array) -> jax.Array:
    """float (B, A, 11), float (B, T, A, A), float (B, A) of 1 at atoms -> float (B,)."""
    x = nnx.relu(self.conv_1(atoms, neighbours))
    x = nnx.relu(self.conv_2(x, neighbours))
    pooled = jnp.einsum("baf,ba->bf", x, real)
    return self.linear_2(nnx.relu(self.linear_1(pooled)))[:, 0]


def model(settings: Settings) -> Model:
  """The paper's model and loss; an example is (atoms, neighbours, real, alpha ())."""
  init, predict = pure(GraphNetwork, scale=settings.init_scale)
  return Model(init, predict, lambda outputs, alpha: (outputs - alpha) ** 2)


def examples(arrays: dict) -> tuple[jax.Array, ...]:
  """Prepared molecules as the model takes them, and their polarizabilities."""
  atoms, bonds = arrays["atoms"], arrays["bonds"]
  neighbours = np.stack([bonds == order for order in range(1, ORDERS + 1)], axis=1)
  real = np.arange(atoms.shape[1])[None] < arrays["sizes"][:, None]
  columns = (atoms, neighbours, real, arrays["alpha"])
  return tuple(jnp.asarray(column, jnp.float32) for column in columns)


def _data(settings: Settings, key: jax.Array) -> Data:
  arrays, origin = store.load("qm9", settings.data)
  train, validation = split_rows(key, examples(arrays), TRAINING)
  return Data(train, validation, origin)


# The lowest of all epochs, of one seed each.
_PUBLISHED = {
  "baseline": {"best_val_batch_loss": 0.00659},
  "grokfast_ema": {"best_val_batch_loss": 0.00348},
}

QM9 = Task(
  name="qm9",
  settings=Settings,
  data=_data,
  model=model,
  source=Source(
    settings={
      **TORCHS_ADAMW,
      "weight_decay": 0.01,
      "steps": 100_000,
      "eval_every": 100,
    },
    by_method={
      "baseline": {"weight_decay": 0.0},
      "grokfast_ema": {"alpha": 0.9, "lamb": 1.0},
    },
    published=lambda values: _PUBLISHED.get(values["method"], {}),
  ),
  columns={
    "lowest validation loss": "best_val_batch_loss",
    "last tenth": "last_val_loss",
    "training loss, last tenth": "last_train_loss",
  },
  probe=TRAINING,
  always_shown=("weight_decay",),
)
