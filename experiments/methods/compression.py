"""Delayed Compression: a Frobenius penalty once the training data is memorised."""

import dataclasses
from typing import Any

import jax.numpy as jnp
import optax

import grokfax
from experiments.fields import NOT_NEGATIVE, SHARE, between, setting
from experiments.methods.grokfast import Ema, ema
from experiments.methods.method import Method, Optimizer


@dataclasses.dataclass(frozen=True)
class Compression:
  """The penalty and when it acts."""

  coefficient: float = setting(0.01, "number", "of the sum of the squared weights", NOT_NEGATIVE)
  threshold: float = setting(
    0.99, "number", "the training accuracy from which the penalty acts", SHARE
  )
  latch: bool = setting(False, "shape", "once on the penalty stays on")
  accuracy_over: int = setting(
    1, "shape", "the last batches whose mean accuracy is compared", between(1, 1_000_000)
  )


@dataclasses.dataclass(frozen=True)
class EmaCompression(Compression, Ema):
  """The EMA filter, then the penalty."""


def memorised(threshold: float, over: int) -> Any:
  """Whether the mean training accuracy of the last batches, so many, is at the threshold."""
  when: Any = grokfax.metric_at_least("train_accuracy", threshold)
  if over == 1:
    return when

  def test(state, step, /, *, train_accuracy, **_):
    last = jnp.roll(state, 1).at[0].set(train_accuracy)
    return when(step, train_accuracy=last.mean()), last

  return grokfax.StatefulCondition(lambda: jnp.zeros(over), test)


def compression(h: Any, optimizer: Optimizer) -> Optimizer:
  """The penalty on all but biases, then the optimizer."""
  when = memorised(h.threshold, h.accuracy_over)
  penalty = grokfax.frobenius_penalty(h.coefficient, mask=grokfax.not_bias)
  return optax.chain(grokfax.gate(penalty, grokfax.latched(when) if h.latch else when), optimizer)


DELAYED_COMPRESSION = Method("delayed_compression", Compression, compression, needs=("accuracy",))
GROKFAST_EMA_DELAYED_COMPRESSION = Method(
  "grokfast_ema_delayed_compression",
  EmaCompression,
  lambda h, optimizer: ema(h, compression(h, optimizer)),
  needs=("accuracy",),
)
