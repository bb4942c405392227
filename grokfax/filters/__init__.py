"""Filters: add the slow part of the gradient to the gradient.

Lee, Kang, Kim, Lee, *Grokfast: Accelerated Grokking by Amplifying Slow
Gradients* (https://arxiv.org/abs/2405.20233), 2024: the gradients of one
parameter over the steps are a signal, and its slow part is what generalizes.
A low-pass filter finds that part, and λ times it is added to the gradient:
ĝₜ = gₜ + λ·slowₜ, which then goes into any optimizer.

Each file has one way to find the slow part: the exponential moving average
(at one time scale or several), the average of a window (whole, or in blocks), any finite impulse
response, any rational (infinite impulse response) filter.
"""

from grokfax.filters._blocks import GrokfastBlockMaState
from grokfax.filters._ema import (
  GrokfastEmaState,
  GrokfastMultiscaleState,
  grokfast_ema,
  grokfast_multiscale,
)
from grokfax.filters._fir import GrokfastFirState, grokfast_fir
from grokfax.filters._iir import GrokfastIirState, grokfast_iir
from grokfax.filters._ma import GrokfastMaState, grokfast_ma

__all__ = [
  "GrokfastBlockMaState",
  "GrokfastEmaState",
  "GrokfastFirState",
  "GrokfastIirState",
  "GrokfastMaState",
  "GrokfastMultiscaleState",
  "grokfast_ema",
  "grokfast_fir",
  "grokfast_iir",
  "grokfast_ma",
  "grokfast_multiscale",
]
