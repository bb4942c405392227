"""IMDb: the paper's LSTM on 750 film reviews, from initial parameters six times too large.

    python -m experiments.data prepare imdb
    python -m experiments.imdb --method grokfast_ema

Is a review positive? 250 others validate. The paper compares its filter at weight decay
10 with a baseline at weight decay 1; `--weight-decay` is for the two controls that it has
not. Its 10,000 steps take an hour or more without an accelerator, so the default is shorter.

The reference fills each review up to 500 words from the left and runs its LSTM over all
of them, though six sevenths are filling. Whatever the review, the LSTM's state after k
words of filling is the same. So here it runs over the filling once, for a single row, and
each review starts from the state that it would have reached. Reviews of like length go
together, so that few wait for the longest.

Shapes: B reviews, T words of the longest one.
"""

import dataclasses
import functools
import sys
from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from experiments import data, experiment, methods
from experiments.experiment import Data, Experiment
from experiments.layers import linear, pure, scaled
from experiments.lstm import Layer, States, lstm
from experiments.training import Hyperparameters, Split, Task, Train, make_train

TRAINING, HELD_OUT = 750, 250
VOCABULARY = 1_000
LENGTH = 500  # words that the LSTM sees, filling and all
BATCH_OF_REFERENCE = 50  # reviews that the reference validates on, drawn anew


@dataclasses.dataclass(frozen=True)
class Settings(experiment.DataSettings):
  """Train the paper's LSTM on 750 film reviews and see when it generalizes."""

  init_scale: float = 6.0
  """factor of all initial parameters"""
  clip_norm: float = 5.0
  """the gradient's greatest norm, before the filter"""
  batch_size: int = 50
  """reviews a step"""


PRESETS = methods.Presets(
  common={
    **methods.TORCHS_ADAMW,
    "learning_rate": 3e-4,
    "weight_decay": 10.0,
    "steps": 1_500,
    "eval_every": 1,
  },
  sources={"baseline": {"weight_decay": 1.0}},
)
# At 10,000 steps, of one seed each: the best batch of 50, of which the reference draws one after
# each step. Ours comes once an epoch, so it has a fifteenth of the chances.
PUBLISHED = {
  "baseline": {"best_val_batch_accuracy": 0.84, "best_val_batch_loss": 0.517},
  "grokfast_ema": {"best_val_batch_accuracy": 0.90, "best_val_batch_loss": 0.412},
}


def check(settings: Settings) -> None:
  """Raises a `UsageError` for settings of the task that will not do."""
  experiment.check_positive(settings, "init_scale", "clip_norm")
  experiment.check_batch_size(settings, TRAINING, "training reviews")


class Sentiment(nnx.Module):
  """An embedding, two layers of LSTM, and a logit at the last word."""

  def __init__(self, rngs: nnx.Rngs, *, width: int = 64, units: int = 256):
    normal = nnx.initializers.normal(1.0)
    self.embedding = nnx.Embed(VOCABULARY + 1, width, embedding_init=normal, rngs=rngs)
    self.layer_1, self.layer_2 = Layer(width, units, rngs), Layer(units, units, rngs)
    self.out = linear(units, 1, rngs)

  def __call__(self, words: jax.Array, lengths: jax.Array, together: int = 10) -> jax.Array:
    """Logits.

    Args:
      words: int (B, T), from 1 on, and 0 after the review's end.
      lengths: int (B,), of the reviews, at most T.
      together: how many reviews go together; few for a processor, all for an accelerator.

    Returns:
      float (B,).
    """
    first, second = self.layer_1.weights(), self.layer_2.weights()
    nothing = States(*jnp.zeros((2, 1, self.layer_1.units)))
    filling = self.embedding(jnp.zeros((LENGTH, 1), jnp.int32))
    first_filled = lstm(first, filling, nothing, LENGTH)
    second_filled = lstm(second, first_filled.h[1:], nothing, LENGTH)

    def group(words_and_lengths):
      words, lengths = words_and_lengths
      steps, start = lengths.max(), (LENGTH - lengths, 0)
      x = self.embedding(words.T)
      h = lstm(first, x, States(*(states[start] for states in first_filled)), steps).h
      h = lstm(second, h[1:], States(*(states[start] for states in second_filled)), steps).h
      return h[lengths, jnp.arange(len(lengths))]

    order = jnp.argsort(lengths)
    groups = -(-len(lengths) // together)
    last = jax.lax.map(group, (_grouped(words[order], groups), _grouped(lengths[order], groups)))
    last = last.reshape(-1, self.layer_2.units)[-len(lengths) :]
    return self.out(last)[jnp.argsort(order), 0]


def _grouped(rows: jax.Array, groups: int) -> jax.Array:
  """(B, ...) -> (groups, B / groups, ...), filled up with empty reviews, which are the shortest."""
  filling = [(-len(rows) % groups, 0)] + [(0, 0)] * (rows.ndim - 1)
  return jnp.pad(rows, filling).reshape(groups, -1, *rows.shape[1:])


def task(init_scale: float = 6.0) -> Task:
  """The paper's model and loss; rows are (words, lengths, labels)."""
  init, apply = pure(Sentiment)

  def score(params, rows):
    words, lengths, labels = rows
    together = 10 if jax.default_backend() == "cpu" else len(lengths)
    logits = apply(params, words, lengths, together)
    return {
      "loss": optax.sigmoid_binary_cross_entropy(logits, labels),
      "accuracy": ((logits > 0) == (labels > 0.5)).astype(logits.dtype),
    }

  return Task(lambda key: scaled(init(key), init_scale), score)


def split(key: jax.Array, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Random positions of the training and of the held-out reviews, as many positive in a quarter."""
  order = np.asarray(jax.random.permutation(key, len(labels)))
  positive, negative = order[labels[order] == 1], order[labels[order] == 0]
  share = round(len(positive) * HELD_OUT / len(labels))
  held_out = np.concatenate([positive[:share], negative[: HELD_OUT - share]])
  return np.setdiff1d(order, held_out), held_out


def encoded(arrays: dict[str, np.ndarray], training: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Reviews in numbers: their words among the most frequent ones of the training part.

  Args:
    arrays: prepared.
    training: positions of the training reviews.

  Returns:
    int32 (N, T): 1 for the most frequent word, 0 after the end; int32 (N,): how many words.
  """
  reviews = np.split(arrays["tokens"], np.cumsum(arrays["lengths"])[:-1])
  counts = Counter(np.concatenate([reviews[i] for i in training]).tolist())
  ranks = np.zeros(len(arrays["words"]), np.int32)
  frequent = [word for word, _ in counts.most_common(VOCABULARY)]
  ranks[frequent] = np.arange(len(frequent)) + 1
  kept = [ranks[review][ranks[review] > 0][:LENGTH] for review in reviews]
  lengths = np.array([len(review) for review in kept], np.int32)
  longest = -(-lengths.max() // 64) * 64  # the same for most splits: one compilation
  return np.stack([np.pad(review, (0, longest - len(review))) for review in kept]), lengths


def _data(settings: Settings, key: jax.Array) -> Data:
  arrays, origin = data.load("imdb", settings.data)
  parts = split(key, arrays["labels"])
  columns = (*encoded(arrays, parts[0]), arrays["labels"].astype(np.float32))
  return Data(Split(*(tuple(jnp.asarray(c[part]) for c in columns) for part in parts)), origin)


def make_optimizer(
  settings: Settings, numbers: Hyperparameters
) -> optax.GradientTransformationExtraArgs:
  """The method's chain behind the clipping: the filter sees clipped gradients only."""
  clip = optax.clip_by_global_norm(settings.clip_norm)
  return optax.chain(clip, methods.make_optimizer(settings, numbers))


def make(settings: Settings) -> Train:
  """The training functions of resolved settings."""
  optimizer = functools.partial(make_optimizer, settings)
  return make_train(
    task(settings.init_scale), optimizer, settings.batch_size, validation_batch=BATCH_OF_REFERENCE
  )


EXPERIMENT = Experiment(
  name="imdb",
  settings=Settings,
  presets=PRESETS,
  check=check,
  data=_data,
  make=make,
  columns={
    "best validation accuracy": "best_val_accuracy",
    "of a batch of 50": "best_val_batch_accuracy",
    "lowest validation loss": "best_val_loss",
    "last tenth, accuracy": "last_val_accuracy",
    "training accuracy": "last_train_accuracy",
  },
  published=lambda settings: PUBLISHED.get(settings.method, {}),
  thresholds=(0.75, 0.8),
  factors=("weight_decay",),
  full_steps=10_000,
)

if __name__ == "__main__":
  sys.exit(EXPERIMENT.main())
