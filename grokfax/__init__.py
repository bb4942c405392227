"""Grokfast and its neighbours as Optax gradient transformations.

Amplify the slow part of the gradient, and delayed generalization comes sooner:
``optax.chain(grokfax.grokfast_ema(), optax.adamw(1e-3))``.
"""

from grokfax.filters import GrokfastEmaState, GrokfastMaState, grokfast_ema, grokfast_ma
from grokfax.gates import (
  GateState,
  from_step,
  gate,
  latched,
  metric_at_least,
  metric_below,
  ramped,
  start_at,
)
from grokfax.optimizers import grokfast_adam, grokfast_adamw
from grokfax.penalties import (
  FrobeniusPenaltyState,
  delayed_compression,
  frobenius_penalty,
  not_bias,
)

__version__ = "0.1.0"

__all__ = [
  "FrobeniusPenaltyState",
  "GateState",
  "GrokfastEmaState",
  "GrokfastMaState",
  "delayed_compression",
  "frobenius_penalty",
  "from_step",
  "gate",
  "grokfast_adam",
  "grokfast_adamw",
  "grokfast_ema",
  "grokfast_ma",
  "latched",
  "metric_at_least",
  "metric_below",
  "not_bias",
  "ramped",
  "start_at",
]
