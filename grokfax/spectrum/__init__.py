"""Spectrum: what a filter does to the slow and to the fast part of the gradient.

The gradients of one parameter over the steps are a signal, and a linear
transformation of them is described by its impulse response, or by its gain at
each angular frequency ω, in radians a step: 0 is a constant gradient, π one that
changes sign at every step. Any linear transformation will do, for it is run to
see what it does. The *added part* is that of Grokfast, ĝ - g. What a gradient has at each
frequency, :func:`record` measures while it trains.
"""

from grokfax.spectrum._equivalents import (
  Design,
  alpha_from_window,
  design_for_delay,
  half_life_warmup,
  window_from_alpha,
)
from grokfax.spectrum._recorder import SpectrumState, record
from grokfax.spectrum._response import (
  frequency_response,
  gain,
  half_power_cutoff,
  impulse_response,
  matched_learning_rate,
)

__all__ = [
  "Design",
  "SpectrumState",
  "alpha_from_window",
  "design_for_delay",
  "frequency_response",
  "gain",
  "half_life_warmup",
  "half_power_cutoff",
  "impulse_response",
  "matched_learning_rate",
  "record",
  "window_from_alpha",
]
