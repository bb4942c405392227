"""One table of all transformations: a case added here is tested everywhere.

Each case is a function to build it, so that a test may do so under a tracer or in
float64, the metrics that its update wants, and whether it bears `None` for a
gradient: Optax's own `masked` and Adam, which some cases hold, do not.
"""

from collections.abc import Callable
from typing import NamedTuple

import optax

import grokfax


class Case(NamedTuple):
  make: Callable[[], optax.GradientTransformationExtraArgs]
  metrics: tuple[str, ...] = ()
  bears_none: bool = True


def _compression(**settings):
  return lambda: grokfax.delayed_compression(0.01, 0.5, **settings)


def _gated_ema(when):
  return lambda: grokfax.gate(grokfax.grokfast_ema(), when())


ACCURACY = ("train_accuracy",)

CASES: dict[str, Case] = {
  "ema": Case(lambda: grokfax.grokfast_ema()),
  "ema_schedules": Case(
    lambda: grokfax.grokfast_ema(optax.linear_schedule(0.9, 0.98, 5), grokfax.start_at(2, 1.0))
  ),
  "ma": Case(lambda: grokfax.grokfast_ma(3)),
  "ma_one": Case(lambda: grokfax.grokfast_ma(1)),
  "ma_sum": Case(lambda: grokfax.grokfast_ma(4, 0.3, filter_type="sum")),
  "ma_no_warmup": Case(lambda: grokfax.grokfast_ma(3, warmup=False)),
  "ma_two_stage": Case(lambda: grokfax.grokfast_ma(3, grokfax.start_at(4, 5.0))),
  "penalty": Case(lambda: grokfax.frobenius_penalty(0.1)),
  "penalty_schedule": Case(lambda: grokfax.frobenius_penalty(optax.constant_schedule(0.1))),
  "penalty_not_bias": Case(
    lambda: grokfax.frobenius_penalty(0.1, mask=grokfax.not_bias), bears_none=False
  ),
  "compression": Case(_compression(), ACCURACY),
  "compression_latched": Case(_compression(latch=True), ACCURACY),
  "compression_not_bias": Case(_compression(mask=grokfax.not_bias), ACCURACY, bears_none=False),
  "gate_from_step": Case(_gated_ema(lambda: grokfax.from_step(2))),
  "gate_below": Case(_gated_ema(lambda: grokfax.metric_below("train_accuracy", 0.5)), ACCURACY),
  "gate_latched_ramp": Case(
    _gated_ema(
      lambda: grokfax.ramped(grokfax.latched(grokfax.metric_at_least("train_accuracy", 0.5)), 3)
    ),
    ACCURACY,
  ),
  "adam": Case(lambda: grokfax.grokfast_adam(1e-3), bears_none=False),
  "adamw": Case(lambda: grokfax.grokfast_adamw(1e-3), bears_none=False),
}
