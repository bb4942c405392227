"""Grokfast and its neighbours as Optax gradient transformations.

Amplify the slow part of the gradient, and delayed generalization comes sooner:
``optax.chain(grokfax.grokfast_ma(), optax.adamw(1e-3, weight_decay=1.0))``.
"""

from grokfax import losses, spectrum
from grokfax.conditions import (
  StatefulCondition,
  from_step,
  latched,
  metric_at_least,
  metric_below,
  ramped,
  until,
)
from grokfax.filters import (
  GrokfastBlockMaState,
  GrokfastEmaState,
  GrokfastFirState,
  GrokfastIirState,
  GrokfastMaState,
  GrokfastMultiscaleState,
  grokfast_ema,
  grokfast_fir,
  grokfast_iir,
  grokfast_ma,
  grokfast_multiscale,
)
from grokfax.gates import GateState, gate, start_at
from grokfax.geometry import (
  MeanNormState,
  ParamsNormState,
  cap_params_norm,
  clip_by_mean_norm,
  egalitarian_gradient,
  orthogonal_gradient,
  project_params_norm,
)
from grokfax.groups import parameter_groups
from grokfax.masks import by_path, ndim_at_least, not_bias
from grokfax.muon import grouped_muon
from grokfax.optimizers import (
  adam_l2,
  delayed_compression_adam,
  grokfast_adam,
  grokfast_adamw,
  grokfast_delayed_compression_adamw,
  grokfast_ma_adam,
)
from grokfax.penalties import (
  FrobeniusPenaltyState,
  delayed_compression,
  frobenius_penalty,
)
from grokfax.resets import ResetState, reset_when

__version__ = "0.1.0"

__all__ = [
  "FrobeniusPenaltyState",
  "GateState",
  "GrokfastBlockMaState",
  "GrokfastEmaState",
  "GrokfastFirState",
  "GrokfastIirState",
  "GrokfastMaState",
  "GrokfastMultiscaleState",
  "MeanNormState",
  "ParamsNormState",
  "ResetState",
  "StatefulCondition",
  "adam_l2",
  "by_path",
  "cap_params_norm",
  "clip_by_mean_norm",
  "delayed_compression",
  "delayed_compression_adam",
  "egalitarian_gradient",
  "frobenius_penalty",
  "from_step",
  "gate",
  "grokfast_adam",
  "grokfast_adamw",
  "grokfast_delayed_compression_adamw",
  "grokfast_ema",
  "grokfast_fir",
  "grokfast_iir",
  "grokfast_ma",
  "grokfast_ma_adam",
  "grokfast_multiscale",
  "grouped_muon",
  "latched",
  "losses",
  "metric_at_least",
  "metric_below",
  "ndim_at_least",
  "not_bias",
  "orthogonal_gradient",
  "parameter_groups",
  "project_params_norm",
  "ramped",
  "reset_when",
  "spectrum",
  "start_at",
  "until",
]
