"""Grokfast: the slow part of the gradient is added before the optimizer."""

import dataclasses
from typing import Any

import numpy as np
import optax

import grokfax
from experiments.fields import (
  FRACTION,
  INSIDE,
  NOT_NEGATIVE,
  SHARE,
  UsageError,
  between,
  one_of,
  setting,
)
from experiments.methods.method import Method, Optimizer


@dataclasses.dataclass(frozen=True)
class Ema:
  """The filter by an exponential moving average."""

  alpha: float = setting(0.98, "number", "decay of the average", FRACTION)
  lamb: float = setting(2.0, "number", "how much of the slow gradient is added", NOT_NEGATIVE)


@dataclasses.dataclass(frozen=True)
class EmaTwoStage(Ema):
  """The same, from a step on."""

  start_step: float = setting(
    500.0, "number", "the first step at which the average is added", NOT_NEGATIVE
  )


@dataclasses.dataclass(frozen=True)
class EmaReset(Ema):
  """The same, whose average begins anew once the training data is memorised."""

  reset_at: float = setting(0.99, "number", "the batch's training accuracy that resets", SHARE)


@dataclasses.dataclass(frozen=True)
class Ma:
  """The filter by the average of the last gradients."""

  window_size: int = setting(100, "shape", "how many gradients are averaged", between(1, 2**31 - 1))
  lamb: float = setting(5.0, "number", "how much of the slow gradient is added", NOT_NEGATIVE)
  blocks: int | None = setting(
    None, "shape", "sums to keep in place of each gradient; divides the window", between(1, 2**31)
  )


@dataclasses.dataclass(frozen=True)
class MaTwoStage(Ma):
  """The same, from a step on."""

  start_step: float = setting(
    500.0, "number", "the first step at which the average is added", NOT_NEGATIVE
  )


@dataclasses.dataclass(frozen=True)
class MaGated(Ma):
  """The same, with a gate that opens once the training data is memorised, or closes then."""

  gate: str = setting("opens", "shape", "what it does then, for good", one_of("opens", "closes"))
  gate_at: float = setting(0.99, "number", "the batch's training accuracy at that time", SHARE)


@dataclasses.dataclass(frozen=True)
class Butterworth:
  """The filter by Butterworth's low pass."""

  order: int = setting(2, "shape", "of the low pass", between(1, 8))
  cutoff: float = setting(
    0.00443, "shape", "cycles a step at which half of the power is left; 0.443 / w of an MA", INSIDE
  )
  lamb: float = setting(5.0, "number", "how much of the slow gradient is added", NOT_NEGATIVE)


@dataclasses.dataclass(frozen=True)
class Delay:
  """The filter that is no low pass: one old gradient."""

  delay: int = setting(50, "shape", "how many steps old the gradient is", between(1, 10_000))
  lamb: float = setting(5.0, "number", "how much of the old gradient is added", NOT_NEGATIVE)


def low_pass(order: int, cutoff: float) -> tuple[np.ndarray, np.ndarray]:
  """Butterworth's coefficients b and a, by the bilinear transform; the cutoff in cycles a step."""
  angles = np.pi * (2 * np.arange(1, order + 1) + order - 1) / (2 * order)
  s = np.tan(np.pi * cutoff) * np.exp(1j * angles)
  b, a = np.poly(-np.ones(order)), np.real(np.poly((1 + s) / (1 - s)))
  return b * a.sum() / b.sum(), a


def butterworth(h: Any, optimizer: Optimizer) -> Optimizer:
  """Butterworth's low pass, then the optimizer."""
  if h.cutoff >= 0.5:
    raise UsageError(f"--cutoff must be below 0.5 cycles a step; got {h.cutoff}.")
  return optax.chain(grokfax.grokfast_iir(*low_pass(h.order, h.cutoff), h.lamb), optimizer)


def delayed(h: Any, optimizer: Optimizer) -> Optimizer:
  """The gradient of some steps ago, then the optimizer."""
  return optax.chain(grokfax.grokfast_fir([0.0] * h.delay + [1.0], h.lamb), optimizer)


def ema(h: Any, optimizer: Optimizer) -> Optimizer:
  """EMA, then the optimizer."""
  return optax.chain(grokfax.grokfast_ema(h.alpha, h.lamb), optimizer)


def ema_two_stage(h: Any, optimizer: Optimizer) -> Optimizer:
  """EMA whose average is added from a step on, then the optimizer."""
  lamb = grokfax.start_at(h.start_step, h.lamb)
  return optax.chain(grokfax.grokfast_ema(h.alpha, lamb), optimizer)


def ema_reset(h: Any, optimizer: Optimizer) -> Optimizer:
  """EMA that begins anew at memorisation, then the optimizer."""
  memorised = grokfax.latched(grokfax.metric_at_least("train_accuracy", h.reset_at))
  anew = grokfax.reset_when(grokfax.grokfast_ema(h.alpha, h.lamb), memorised)
  return optax.chain(anew, optimizer)


def ma(h: Any, optimizer: Optimizer) -> Optimizer:
  """MA, then the optimizer."""
  return optax.chain(_window(h, h.lamb), optimizer)


def ma_two_stage(h: Any, optimizer: Optimizer) -> Optimizer:
  """MA whose average is added from a step on, then the optimizer."""
  return optax.chain(_window(h, grokfax.start_at(h.start_step, h.lamb)), optimizer)


def ma_gated(h: Any, optimizer: Optimizer) -> Optimizer:
  """MA that acts from memorisation on, or until then; then the optimizer."""
  memorised = grokfax.metric_at_least("train_accuracy", h.gate_at)
  when = grokfax.latched(memorised) if h.gate == "opens" else grokfax.until(memorised)
  return optax.chain(grokfax.gate(_window(h, h.lamb), when), optimizer)


def _window(h: Any, lamb: optax.ScalarOrSchedule) -> Optimizer:
  if h.blocks and h.window_size % h.blocks:
    raise UsageError(f"--blocks must divide --window-size {h.window_size}; got {h.blocks}.")
  return grokfax.grokfast_ma(h.window_size, lamb, blocks=h.blocks)


GROKFAST_EMA = Method("grokfast_ema", Ema, ema)
GROKFAST_EMA_TWO_STAGE = Method("grokfast_ema_two_stage", EmaTwoStage, ema_two_stage)
GROKFAST_EMA_RESET = Method("grokfast_ema_reset", EmaReset, ema_reset, needs=("accuracy",))
GROKFAST_MA = Method("grokfast_ma", Ma, ma)
GROKFAST_MA_TWO_STAGE = Method("grokfast_ma_two_stage", MaTwoStage, ma_two_stage)
GROKFAST_MA_GATED = Method("grokfast_ma_gated", MaGated, ma_gated, needs=("accuracy",))
GROKFAST_BUTTERWORTH = Method("grokfast_butterworth", Butterworth, butterworth)
GROKFAST_DELAY = Method("grokfast_delay", Delay, delayed)
