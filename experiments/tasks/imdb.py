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
from collections import Counter
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from experiments.fields import POSITIVE, between, setting
from experiments.tasks.datasets import store
from experiments.tasks.models.layers import linear, pure
from experiments.tasks.models.lstm import BLOCK, Layer, States, lstm
from experiments.tasks.task import TORCHS_ADAMW, Data, Goal, Model, Source, Task

TRAINING, HELD_OUT = 750, 250
VOCABULARY = 1_000
LENGTH = 500  # words that the LSTM sees, filling and all
BATCH_OF_REFERENCE = 50  # reviews that the reference validates on, drawn anew
TOGETHER = 10  # reviews of like length that a processor takes at a time
GROUPS = 5  # of so many, whose states are in memory at once


@dataclasses.dataclass(frozen=True)
class Settings:
  """Train the paper's LSTM on 750 film reviews and see when it generalizes."""

  init_scale: float = setting(6.0, "model", "factor of all initial parameters", POSITIVE)
  clip_norm: float = setting(
    5.0, "shape", "the gradient's greatest norm, before the filter", POSITIVE
  )
  batch_size: int = setting(50, "shape", "reviews a step", between(1, TRAINING))
  data: Path | None = store.folder_setting()


class Sentiment(nnx.Module):
  """An embedding, two layers of LSTM, and a logit at the last word."""

  def __init__(self, rngs: nnx.Rngs, *, width: int = 64, units: int = 256):
    normal = nnx.initializers.normal(1.0)
    self.embedding = nnx.Embed(VOCABULARY + 1, width, embedding_init=normal, rngs=rngs)
    self.layer_1, self.layer_2 = Layer(width, units, rngs), Layer(units, units, rngs)
    self.out = linear(units, 1, rngs)

  def __call__(
    self, words: jax.Array, lengths: jax.Array, together: int | None = None
  ) -> jax.Array:
    """Logits.

    Args:
      words: int (B, T), from 1 on, and 0 after the review's end.
      lengths: int (B,), of the reviews, at most T.
      together: how many reviews go together, up to the longest of them; None, which suits an
        accelerator, takes all at a time, up to T.

    Returns:
      float (B,).
    """
    first, second = self.layer_1.weights(), self.layer_2.weights()
    nothing = States(*jnp.zeros((2, 1, 1, self.layer_1.units)))
    first_filled = lstm(first, self.embedding(jnp.zeros((1, LENGTH, 1), jnp.int32)), nothing, None)
    second_filled = lstm(second, first_filled.h, nothing, None)

    def after_filling(filled, lengths):
      """The states with which reviews start, LENGTH - lengths words of filling behind them."""
      filled = jax.tree.map(lambda n, s: jnp.concatenate([n[0], s[0, :, 0]]), nothing, filled)
      return jax.tree.map(lambda s: s[LENGTH - lengths], filled)

    def part(words_and_lengths):
      words, lengths = words_and_lengths
      steps = lengths.max(1) if together else None
      x, start = self.embedding(words.swapaxes(1, 2)), after_filling(second_filled, lengths)
      h = lstm(first, x, after_filling(first_filled, lengths), steps).h
      h = lstm(second, h, start, steps).h
      last = jnp.take_along_axis(h, jnp.maximum(lengths - 1, 0)[:, None, :, None], axis=1)[:, 0]
      return jnp.where(lengths[..., None] > 0, last, start.h)

    order = jnp.argsort(lengths)
    groups = -(-len(order) // together) if together else 1
    last = jax.lax.map(part, (_parted(words[order], groups), _parted(lengths[order], groups)))
    last = last.reshape(-1, self.layer_2.units)[-len(order) :]
    return self.out(last)[jnp.argsort(order), 0]


def _parted(rows: jax.Array, groups: int) -> jax.Array:
  """(B, ...) -> (parts, groups of each, reviews of each, ...), for what one part has in memory.

  It is filled up with empty reviews, which are the shortest.
  """
  parts = -(-groups // GROUPS)
  shape = parts, -(-groups // parts)
  filling = [(-len(rows) % (shape[0] * shape[1]), 0)] + [(0, 0)] * (rows.ndim - 1)
  return jnp.pad(rows, filling).reshape(*shape, -1, *rows.shape[1:])


def model(settings: Settings) -> Model:
  """The paper's model and loss; an example is (words, length, label)."""
  init, apply = pure(Sentiment, scale=settings.init_scale)

  def predict(params, words, lengths):
    return apply(params, words, lengths, TOGETHER if jax.default_backend() == "cpu" else None)

  def accuracy(logits, labels):
    return ((logits > 0) == (labels > 0.5)).astype(logits.dtype)

  return Model(
    init,
    predict,
    optax.sigmoid_binary_cross_entropy,
    {"accuracy": accuracy},
  )


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
  longest = min(LENGTH, int(arrays["lengths"].max()))  # whatever the split: one program for all
  longest += -longest % BLOCK  # so that the LSTM need not copy all to fill a block
  return np.stack([np.pad(review, (0, longest - len(review))) for review in kept]), lengths


def _data(settings: Settings, key: jax.Array) -> Data:
  arrays, origin = store.load("imdb", settings.data)
  parts = split(key, arrays["labels"])
  columns = (*encoded(arrays, parts[0]), arrays["labels"].astype(np.float32))
  train, validation = (tuple(jnp.asarray(c[part]) for c in columns) for part in parts)
  return Data(train, validation, origin)


# At 10,000 steps, of one seed each: the best batch of 50, of which the reference draws one after
# each step. Ours comes once an epoch, so it has a fifteenth of the chances.
_PUBLISHED = {
  "baseline": {"best_val_batch_accuracy": 0.84, "best_val_batch_loss": 0.517},
  "grokfast_ema": {"best_val_batch_accuracy": 0.90, "best_val_batch_loss": 0.412},
}

IMDB = Task(
  name="imdb",
  settings=Settings,
  data=_data,
  model=model,
  source=Source(
    settings={
      **TORCHS_ADAMW,
      "learning_rate": 3e-4,
      "weight_decay": 10.0,
      "steps": 1_500,
      "eval_every": 1,
    },
    by_method={"baseline": {"weight_decay": 1.0}},
    published=lambda values: _PUBLISHED.get(values["method"], {}),
    full_steps=10_000,
  ),
  goals=(Goal("val_accuracy", 0.75), Goal("val_accuracy", 0.8)),
  columns={
    "best validation accuracy": "best_val_accuracy",
    "of a batch of 50": "best_val_batch_accuracy",
    "lowest validation loss": "best_val_loss",
    "last tenth, accuracy": "last_val_accuracy",
    "training accuracy": "last_train_accuracy",
  },
  before=lambda settings: optax.clip_by_global_norm(settings.clip_norm),
  probe=BATCH_OF_REFERENCE,
  always_shown=("weight_decay",),
)
