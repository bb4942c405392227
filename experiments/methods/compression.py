"""Delayed Compression: a Frobenius penalty once the training data is memorised."""

import dataclasses
from typing import Any

import optax

import grokfax
from experiments.fields import NOT_NEGATIVE, SHARE, setting
from experiments.methods.grokfast import Ema, ema
from experiments.methods.method import Method, Optimizer


@dataclasses.dataclass(frozen=True)
class Compression:
  """The penalty and when it acts."""

  coefficient: float = setting(0.01, "number", "of the sum of the squared weights", NOT_NEGATIVE)
  threshold: float = setting(
    0.99, "number", "the batch's training accuracy from which the penalty acts", SHARE
  )


@dataclasses.dataclass(frozen=True)
class EmaCompression(Compression, Ema):
  """The EMA filter, then the penalty."""


def compression(h: Any, optimizer: Optimizer) -> Optimizer:
  """The penalty on all but biases, then the optimizer."""
  penalty = grokfax.delayed_compression(h.coefficient, h.threshold, mask=grokfax.not_bias)
  return optax.chain(penalty, optimizer)


DELAYED_COMPRESSION = Method("delayed_compression", Compression, compression, needs=("accuracy",))
GROKFAST_EMA_DELAYED_COMPRESSION = Method(
  "grokfast_ema_delayed_compression",
  EmaCompression,
  lambda h, optimizer: ema(h, compression(h, optimizer)),
  needs=("accuracy",),
)
