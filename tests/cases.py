"""One table of all transformations: a case added here is tested everywhere, its kind in wrappers.

Each case is a function and its arguments, so that a test may build it under a tracer,
with its arguments injected or in float64.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import optax

import grokfax
from tests.helpers import butterworth

ACCURACY = ("train_accuracy",)


class Case(NamedTuple):
  """A transformation under test.

  Attributes:
    factory: makes it.
    settings: its arguments.
    static: those that no tracer can stand for, as `optax.inject_hyperparams` wants to know.
    metrics: extra arguments that its update needs.
    bears_none: whether a gradient may be `None` and leaves the others alone: Optax's own Adam
      does not bear it.
    settles: for a linear filter, after how many steps of zeros it is time-invariant.
  """

  factory: Callable[..., optax.GradientTransformationExtraArgs]
  settings: Mapping[str, Any]
  static: tuple[str, ...] = ()
  metrics: tuple[str, ...] = ()
  bears_none: bool = True
  settles: int | None = None

  def make(self) -> optax.GradientTransformationExtraArgs:
    return self.factory(**self.settings)


def _ema_from(n):
  return grokfax.gate(grokfax.grokfast_ema(), grokfax.from_step(n))


def _ema_below(threshold):
  return grokfax.gate(grokfax.grokfast_ema(), grokfax.metric_below("train_accuracy", threshold))


def _ema_latched_ramp(threshold, steps):
  when = grokfax.ramped(grokfax.latched(_memorised(threshold)), steps)
  return grokfax.gate(grokfax.grokfast_ema(), when)


def _memorised(threshold):
  return grokfax.metric_at_least("train_accuracy", threshold)


def _from_memorising_to_grokking(lamb, threshold):
  memorised = grokfax.latched(_memorised(threshold))
  grokked = grokfax.metric_at_least("probe_accuracy", threshold)
  return grokfax.gate(grokfax.gate(grokfax.grokfast_ma(3, lamb), memorised), grokfax.until(grokked))


def _ma_anew(threshold):
  return grokfax.reset_when(grokfax.grokfast_ma(3), _memorised(threshold))


def _recorded_around(length):
  """What is recorded changes nothing: the updates are the filter's."""
  return optax.chain(grokfax.spectrum.record(length), grokfax.grokfast_ema())


def _decoupled_penalty(coefficient):
  return optax.chain(
    grokfax.grokfast_ema(),
    optax.scale_by_adam(),
    grokfax.frobenius_penalty(coefficient),
    optax.scale_by_learning_rate(1e-3),
  )


BUTTERWORTH = dict(zip("ba", butterworth(2, 0.2), strict=True))

FILTERS: dict[str, Case] = {
  "ema": Case(grokfax.grokfast_ema, {}, settles=1),
  "ema_slow": Case(grokfax.grokfast_ema, {"alpha": 0.5, "lamb": 3.0}, settles=1),
  "multiscale": Case(
    grokfax.grokfast_multiscale, {"alphas": (0.5, 0.98), "lambs": (1.0, 2.0)}, settles=1
  ),
  "ma": Case(grokfax.grokfast_ma, {"window_size": 3}, ("window_size",), settles=3),
  "ma_one": Case(grokfax.grokfast_ma, {"window_size": 1}, ("window_size",), settles=1),
  "ma_sum": Case(
    grokfax.grokfast_ma,
    {"window_size": 4, "lamb": 0.3, "filter_type": "sum"},
    ("window_size",),
    settles=4,
  ),
  "ma_no_warmup": Case(
    grokfax.grokfast_ma, {"window_size": 3, "warmup": False}, ("window_size",), settles=3
  ),
  "fir": Case(
    grokfax.grokfast_fir, {"taps": np.asarray([0.5, -0.25, 1.0]), "lamb": 2.0}, settles=0
  ),
  "fir_one": Case(grokfax.grokfast_fir, {"taps": (0.5,)}, settles=0),
  "iir": Case(grokfax.grokfast_iir, {**BUTTERWORTH, "lamb": 2.0}, settles=0),
  "iir_first": Case(
    grokfax.grokfast_iir, {**BUTTERWORTH, "lamb": 2.0, "initial": "first_gradient"}, settles=1
  ),
  "iir_no_pole": Case(grokfax.grokfast_iir, {"b": (0.5,), "a": (2.0,)}, settles=0),
}

CASES: dict[str, Case] = {
  **FILTERS,
  "ema_schedules": Case(
    grokfax.grokfast_ema,
    {"alpha": optax.linear_schedule(0.9, 0.98, 5), "lamb": grokfax.start_at(2, 1.0)},
  ),
  "ema_half_life": Case(
    grokfax.grokfast_ema, {"alpha": grokfax.spectrum.half_life_warmup(0.98, 5)}
  ),
  "multiscale_schedules": Case(
    grokfax.grokfast_multiscale,
    {
      "alphas": [optax.linear_schedule(0.9, 0.98, 5), 0.5],
      "lambs": [1.0, grokfax.start_at(2, 1.0)],
    },
  ),
  "ma_two_stage": Case(
    grokfax.grokfast_ma, {"window_size": 3, "lamb": grokfax.start_at(4, 5.0)}, ("window_size",)
  ),
  "ma_blocks": Case(
    grokfax.grokfast_ma, {"window_size": 6, "blocks": 2}, ("window_size", "blocks")
  ),
  "ma_rounded": Case(
    grokfax.grokfast_ma,
    {"window_size": 3, "window_dtype": "float32"},
    ("window_size", "window_dtype"),
  ),
  "fir_schedule": Case(
    grokfax.grokfast_fir, {"taps": [1.0, 0.5], "lamb": optax.linear_schedule(0.0, 2.0, 5)}
  ),
  "penalty": Case(grokfax.frobenius_penalty, {"coefficient": 0.1}),
  "penalty_schedule": Case(
    grokfax.frobenius_penalty, {"coefficient": optax.linear_schedule(0.0, 0.1, 5)}
  ),
  "penalty_not_bias": Case(
    grokfax.frobenius_penalty,
    {"coefficient": 0.1, "mask": grokfax.not_bias},
    ("mask",),
  ),
  "penalty_decoupled": Case(_decoupled_penalty, {"coefficient": 0.1}, bears_none=False),
  "compression": Case(
    grokfax.delayed_compression, {"coefficient": 0.01, "threshold": 0.5}, metrics=ACCURACY
  ),
  "compression_growing": Case(
    grokfax.delayed_compression,
    {"coefficient": optax.linear_schedule(0.0, 0.1, 3), "threshold": 0.5, "latch": True},
    ("coefficient",),  # injected, it would be a schedule of the step
    ACCURACY,
  ),
  "compression_not_bias": Case(
    grokfax.delayed_compression,
    {"threshold": 0.5, "mask": grokfax.not_bias},
    ("mask",),
    ACCURACY,
  ),
  "orthogonal": Case(grokfax.orthogonal_gradient, {}),
  "egalitarian_svd": Case(grokfax.egalitarian_gradient, {}, ("method", "ns_steps")),
  "egalitarian_newton_schulz": Case(
    grokfax.egalitarian_gradient, {"method": "newton_schulz"}, ("method", "ns_steps")
  ),
  "egalitarian_columns": Case(
    grokfax.egalitarian_gradient, {"method": "columns"}, ("method", "ns_steps")
  ),
  "norm_clipped": Case(
    grokfax.clip_by_mean_norm,
    {"ratio": 0.9, "decay": 0.8},
    bears_none=False,  # each array has its part in the norm of all
  ),
  "norm_projected": Case(grokfax.project_params_norm, {"ratio": 0.9}),
  "norm_capped": Case(
    grokfax.cap_params_norm,
    {"ratio": optax.linear_schedule(1.0, 1.5, 5), "scope": "global"},
    bears_none=False,  # an array that does not move has its part in the norm of all
  ),
  "reset": Case(_ma_anew, {"threshold": 0.5}, metrics=ACCURACY),
  "recorded": Case(_recorded_around, {"length": 2}, ("length",)),
  "gate_from_step": Case(_ema_from, {"n": 2}),
  "gate_below": Case(_ema_below, {"threshold": 0.5}, metrics=ACCURACY),
  "gate_latched_ramp": Case(_ema_latched_ramp, {"threshold": 0.5, "steps": 3.0}, metrics=ACCURACY),
  "gate_in_gate": Case(
    _from_memorising_to_grokking,
    {"lamb": 5.0, "threshold": 0.5},
    metrics=("train_accuracy", "probe_accuracy"),
  ),
}

OPTIMIZERS: dict[str, Case] = {
  "adam_l2": Case(grokfax.adam_l2, {"learning_rate": 1e-3, "weight_decay": 0.1}),
  "grokfast_adam": Case(grokfax.grokfast_adam, {"learning_rate": 1e-3}),
  "grokfast_adamw": Case(grokfax.grokfast_adamw, {"learning_rate": 1e-3}),
  "grokfast_ma_adam": Case(
    grokfax.grokfast_ma_adam, {"learning_rate": 1e-3, "window_size": 3}, ("window_size",)
  ),
  "delayed_compression_adam": Case(
    grokfax.delayed_compression_adam, {"learning_rate": 1e-3, "threshold": 0.5}, ("mask",), ACCURACY
  ),
  "grokfast_delayed_compression_adamw": Case(
    grokfax.grokfast_delayed_compression_adamw,
    {"learning_rate": 1e-3, "threshold": 0.5},
    ("mask",),
    ACCURACY,
  ),
}
BY_GROUP = {
  "grouped_muon": Case(grokfax.grouped_muon, {"learning_rate": 0.1}, ("dimension_numbers",))
}
CASES |= {name: case._replace(bears_none=False) for name, case in (OPTIMIZERS | BY_GROUP).items()}

# One for each form of state, mask, metrics and chain: the others differ from these in what they
# compute, which a wrapper, a trainer, a mesh or a disk does not see.
KINDS = (
  "ema", "multiscale", "ma", "fir", "iir_first", "penalty_not_bias", "compression_growing",
  "compression_not_bias", "norm_projected", "reset", "recorded", "gate_latched_ramp",
  "gate_in_gate", "grokfast_adam", "grokfast_delayed_compression_adamw",
)  # fmt: skip
