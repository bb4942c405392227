"""Spectrum: what a filter does to the slow and to the fast part of the gradient.

The gradients of one parameter over the steps are a signal, and a linear
transformation of them is described by its impulse response, or by its gain at
each angular frequency ω, in radians a step: 0 is a constant gradient, π one that
changes sign at every step. Any linear transformation will do, for it is run to
see what it does. The *added part* is that of Grokfast, ĝ - g.
"""

import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import optax

from grokfax import _arguments

__all__ = [
  "Design",
  "alpha_from_window",
  "design_for_delay",
  "frequency_response",
  "gain",
  "half_power_cutoff",
  "impulse_response",
  "window_from_alpha",
]

Convention: TypeAlias = Literal["delay", "cutoff", "decay"]
CONVENTIONS: tuple[Convention, ...] = ("delay", "cutoff", "decay")


def impulse_response(
  tx: optax.GradientTransformation, length: int, *, settle: int = 10_000, **extra_args: Any
) -> np.ndarray:
  """What a linear transformation makes of a gradient that is 1 once, and 0 otherwise.

  The transformation runs on zeros first, so that its start does not show: a
  filter that starts from the first gradient, or warms up, is time-invariant
  from then on.

  Args:
    tx: a linear transformation, such as a filter or ``optax.trace``. It runs on
      one scalar parameter, which is 0.
    length: how many steps of the response, from that of the impulse on; at least 1.
    settle: for how many steps it is given zeros before; not negative, and no
      less than a window that warms up.
    **extra_args: further arguments of its update, such as metrics of its gates.

  Returns:
    h, (length,) in JAX's default float dtype.

  Raises:
    ValueError: if ``length`` is no int >= 1, or ``settle`` no int >= 0.

  Examples:
    >>> import grokfax
    >>> h = grokfax.spectrum.impulse_response(grokfax.grokfast_ma(2, lamb=1.0), 4)
    >>> print(h)
    [1.5 0.5 0.  0. ]
  """
  _arguments.check_int("length", length, 1)
  _arguments.check_int("settle", settle, 0)
  update = optax.with_extra_args_support(tx).update
  zero = jnp.zeros([])

  @jax.jit
  def respond(impulse):
    def step(state, g):
      u, state = update(g, state, zero, **extra_args)
      return state, u

    settled, _ = jax.lax.scan(
      lambda state, _: (step(state, zero)[0], None), tx.init(zero), length=settle
    )
    return jax.lax.scan(step, settled, impulse)[1]

  return np.asarray(respond(jnp.zeros(length).at[0].set(1.0)))


def _transform(h: np.ndarray, omega: jax.typing.ArrayLike) -> np.ndarray:
  """H(ω) = Σ h[k]·exp(-iωk)."""
  return np.exp(-1j * np.multiply.outer(omega, np.arange(h.size))) @ h.astype(np.float64)


def frequency_response(
  tx: optax.GradientTransformation, length: int, **settings: Any
) -> tuple[np.ndarray, np.ndarray]:
  """The discrete-time Fourier transform of the impulse response, as ``scipy.signal.freqz`` has it.

  Args:
    tx: a linear transformation.
    length: how many steps of the impulse response; what comes later is cut off. An
      average with decay α has fallen to 10⁻ⁿ of its start after -n/log10(α) steps.
    **settings: as for :func:`impulse_response`.

  Returns:
    ω, (length // 2 + 1,) float64 in radians a step, evenly from 0 up to π (where
    ``length`` is even), and H(ω), as many complex128.

  Raises:
    ValueError: as :func:`impulse_response`.

  Examples:
    >>> import grokfax
    >>> omega, response = grokfax.spectrum.frequency_response(grokfax.grokfast_ma(2, 1.0), 8)
    >>> print(abs(response).round(3))  # 2 for a constant gradient, 1 for one that alternates
    [2.    1.887 1.581 1.2   1.   ]
  """
  h = impulse_response(tx, length, **settings)
  return 2 * np.pi * np.fft.rfftfreq(length), np.fft.rfft(h.astype(np.float64))


def gain(
  tx: optax.GradientTransformation, omega: jax.typing.ArrayLike, length: int, **settings: Any
) -> np.ndarray:
  """By what a linear transformation multiplies the amplitude at a frequency, |H(ω)|.

  Args:
    tx: a linear transformation.
    omega: ω in radians a step, of any shape; 0 for a constant gradient, π for one
      that changes sign at every step.
    length: how many steps of the impulse response; see :func:`frequency_response`.
    **settings: as for :func:`impulse_response`.

  Returns:
    The gains, shaped like ``omega``, float64.

  Raises:
    ValueError: as :func:`impulse_response`.

  Examples:
    >>> import grokfax, numpy as np
    >>> grokfax.spectrum.gain(grokfax.grokfast_ema(0.5, lamb=3.0), [0, np.pi], 64).round(3)
    array([4., 2.])
  """
  return np.abs(_transform(impulse_response(tx, length, **settings), omega))


def half_power_cutoff(tx: optax.GradientTransformation, length: int, **settings: Any) -> float:
  """The frequency at which the power of the added part has fallen to half of that at 0.

  Args:
    tx: a linear transformation that adds a low-pass filtered gradient to it.
    length: how many steps of the impulse response; see :func:`frequency_response`.
    **settings: as for :func:`impulse_response`.

  Returns:
    The least ω with |H(ω) - 1|² = |H(0) - 1|² / 2, in radians a step.

  Raises:
    ValueError: if there is none; otherwise as :func:`impulse_response`.

  Examples:
    >>> import grokfax, math
    >>> omega = grokfax.spectrum.half_power_cutoff(grokfax.grokfast_ma(2), 8)
    >>> round(omega / math.pi, 6)
    0.5
  """
  added = impulse_response(tx, length, **settings).astype(np.float64)
  added[0] -= 1.0
  if not np.abs(added.sum()) > 0:
    raise ValueError("there is no cutoff: the transformation adds nothing to a constant gradient.")

  def above_half(omega):
    return float(np.abs(_transform(added, omega)) / np.abs(added.sum()) - math.sqrt(0.5))

  # A grid much finer than the response can turn in, then the crossing on it.
  power = np.abs(np.fft.rfft(added, 16 * length)) ** 2
  below = np.flatnonzero(power < power[0] / 2)
  if not below.size:
    raise ValueError("there is no cutoff: the added part nowhere falls to half its power at 0.")
  step = 2 * np.pi / (16 * length)
  return _root(above_half, float(below[0] - 1) * step, float(below[0]) * step)


def _root(f: Callable[[float], float], low: float, high: float) -> float:
  """Where f, positive at `low` and falling, is 0, by bisection to the last digit."""
  while low < (middle := (low + high) / 2) < high:
    low, high = (middle, high) if f(middle) > 0 else (low, middle)
  return middle


def _average_gain(window: float, omega: float) -> float:
  """The gain at ω of the mean over a window, which may be a fraction too."""
  return math.sin(window * omega / 2) / (window * math.sin(omega / 2))


def alpha_from_window(window: float, convention: Convention = "delay") -> float:
  """The α of an exponential moving average that does what the average of a window does.

  Args:
    window: w, above 1.
    convention: what is to be equal: "delay", the mean age of the gradients, so
      that α = (w - 1)/(w + 1); "cutoff", the frequency of half power; "decay" is
      the paper's rule α^w = 0.1.

  Returns:
    α, in (0, 1).

  Raises:
    ValueError: if ``window`` is not above 1, ``convention`` is unknown, or, for
      "cutoff", the average of so short a window nowhere falls to half its power.

  Examples:
    >>> import grokfax
    >>> for convention in ("delay", "cutoff", "decay"):
    ...   print(convention, round(grokfax.spectrum.alpha_from_window(100, convention), 4))
    delay 0.9802
    cutoff 0.9726
    decay 0.9772
  """
  _arguments.check_number("window", window, "a finite number > 1", lambda w: w > 1)
  _arguments.check_choice("convention", convention, CONVENTIONS)
  if convention == "delay":
    return (window - 1) / (window + 1)
  if convention == "decay":
    return 0.1 ** (1 / window)
  highest = min(math.pi, 2 * math.pi / window)
  if _average_gain(window, highest) > math.sqrt(0.5):
    raise ValueError(f"the average of a window of {window} nowhere falls to half its power.")
  omega = _root(lambda o: _average_gain(window, o) - math.sqrt(0.5), 1e-12, highest)
  versine = 2 * math.sin(omega / 2) ** 2  # (1 - α)² = 2α(1 - cos ω)
  return 1 + versine - math.sqrt(versine * (2 + versine))


def window_from_alpha(alpha: float, convention: Convention = "delay") -> float:
  """The window whose average does what the exponential moving average does.

  Args:
    alpha: α, in (0, 1).
    convention: as for :func:`alpha_from_window`, of which it is the inverse.

  Returns:
    w, not rounded.

  Raises:
    ValueError: if ``alpha`` is outside (0, 1), ``convention`` is unknown, or, for
      "cutoff", ``alpha`` is below 3 - √8 = 0.17, where the average nowhere falls
      to half its power.

  Examples:
    >>> import grokfax
    >>> for convention in ("delay", "cutoff", "decay"):
    ...   print(convention, round(grokfax.spectrum.window_from_alpha(0.98, convention), 1))
    delay 99.0
    cutoff 137.8
    decay 114.0
  """
  _arguments.check_number("alpha", alpha, "a number in (0, 1)", lambda a: 0 < a < 1)
  _arguments.check_choice("convention", convention, CONVENTIONS)
  if convention == "delay":
    return (1 + alpha) / (1 - alpha)
  if convention == "decay":
    return math.log(0.1) / math.log(alpha)
  sine = (1 - alpha) / math.sqrt(4 * alpha)  # sin(ω/2)
  if sine > 1:
    raise ValueError(f"the average with alpha = {alpha} nowhere falls to half its power.")
  omega = 2 * math.asin(sine)
  return _root(lambda w: _average_gain(w, omega) - math.sqrt(0.5), 1.0, 2 * math.pi / omega)


class Design(NamedTuple):
  """Settings to start from, by :func:`design_for_delay`.

  Attributes:
    alpha: of :func:`grokfax.grokfast_ema`.
    window_size: of :func:`grokfax.grokfast_ma`.
    lambs: the range in which to look for λ next.
    weight_decay_factors: by which to raise the weight decay after that.
  """

  alpha: float
  window_size: int
  lambs: tuple[float, float]
  weight_decay_factors: tuple[float, ...]


def design_for_delay(n: float) -> Design:
  """The paper's recipe for a generalization that comes late.

  Args:
    n: how many times later than on the training data the model without the filter
      is right on the validation data, above 1.

  Returns:
    A filter that is slow enough for that, and what to try next.

  Raises:
    ValueError: if ``n`` is not a number above 1.

  Examples:
    >>> import grokfax
    >>> design = grokfax.spectrum.design_for_delay(100)
    >>> round(design.alpha, 3), design.window_size
    (0.977, 100)
    >>> tx = grokfax.grokfast_ema(design.alpha, lamb=2.0)

  References:
    The questions and answers of https://github.com/ironjr/grokfast.
  """
  _arguments.check_number("n", n, "a finite number > 1", lambda v: v > 1)
  return Design(
    alpha=alpha_from_window(n, "decay"),
    window_size=max(2, round(n)),
    lambs=(0.1, 5.0),
    weight_decay_factors=(2.0, 5.0, 10.0),
  )
