"""Responses: what a transformation does, found out by running it."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from grokfax import _arguments
from grokfax.spectrum._root import root

SETTLE = 10_000  # steps of zeros, at the least


def impulse_response(
  tx: optax.GradientTransformation, length: int, *, settle: int | None = None, **extra_args: Any
) -> np.ndarray:
  """What a linear transformation makes of a gradient that is 1 once, and 0 otherwise.

  The transformation runs on zeros first, so that its start does not show: a
  filter that starts from the first gradient, or warms up, is time-invariant
  from then on.

  Args:
    tx: a linear transformation, such as a filter or ``optax.trace``. It runs on
      one scalar parameter, which is 0.
    length: how many steps of the response, from that of the impulse on; at least 1.
    settle: for how many steps it is given zeros before; None for as many as
      ``length``, and 10,000 at the least.
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
  settle = max(SETTLE, length) if settle is None else settle
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


def _whole_response(tx: optax.GradientTransformation, length: int, **settings: Any) -> np.ndarray:
  """The impulse response in float64; refuses one that goes on beyond `length`."""
  _arguments.check_int("length", length, 1)
  h = impulse_response(tx, 2 * length, **settings).astype(np.float64)
  if not np.abs(h[length:]).sum() <= 1e-3 * np.abs(h).sum():
    raise ValueError(
      f"the impulse response has not died down after {length} steps: take a larger length."
    )
  return h[:length]


def _transform(h: np.ndarray, omega: jax.typing.ArrayLike) -> np.ndarray:
  """H(ω) = Σ h[k]·exp(-iωk)."""
  return np.exp(-1j * np.multiply.outer(omega, np.arange(h.size))) @ h


def frequency_response(
  tx: optax.GradientTransformation, length: int, **settings: Any
) -> tuple[np.ndarray, np.ndarray]:
  """The discrete-time Fourier transform of the impulse response, as ``scipy.signal.freqz`` has it.

  Args:
    tx: a linear transformation.
    length: how many steps of the impulse response; what comes later must not matter.
      An average with decay α has fallen to 10⁻ⁿ of its start after -n/log10(α) steps.
    **settings: as for :func:`impulse_response`.

  Returns:
    ω, (length // 2 + 1,) float64 in radians a step, evenly from 0 up to π (where
    ``length`` is even), and H(ω), as many complex128.

  Raises:
    ValueError: if the response goes on beyond ``length``; otherwise as
      :func:`impulse_response`.

  Examples:
    >>> import grokfax
    >>> omega, response = grokfax.spectrum.frequency_response(grokfax.grokfast_ma(2, 1.0), 8)
    >>> print(abs(response).round(3))  # 2 for a constant gradient, 1 for one that alternates
    [2.    1.887 1.581 1.2   1.   ]
  """
  h = _whole_response(tx, length, **settings)
  return 2 * np.pi * np.fft.rfftfreq(length), np.fft.rfft(h)


def gain(
  tx: optax.GradientTransformation, omega: jax.typing.ArrayLike, length: int, **settings: Any
) -> np.ndarray:
  """By what a linear transformation multiplies the amplitude at a frequency, ``|H(ω)|``.

  Args:
    tx: a linear transformation.
    omega: ω in radians a step, of any shape; 0 for a constant gradient, π for one
      that changes sign at every step.
    length: how many steps of the impulse response; see :func:`frequency_response`.
    **settings: as for :func:`impulse_response`.

  Returns:
    The gains, shaped like ``omega``, float64.

  Raises:
    ValueError: if the response goes on beyond ``length``; otherwise as
      :func:`impulse_response`.

  Examples:
    >>> import grokfax, numpy as np
    >>> grokfax.spectrum.gain(grokfax.grokfast_ema(0.5, lamb=3.0), [0, np.pi], 64).round(3)
    array([4., 2.])
  """
  return np.abs(_transform(_whole_response(tx, length, **settings), omega))


def matched_learning_rate(
  tx: optax.GradientTransformation, learning_rate: float, length: int, **settings: Any
) -> float:
  """The learning rate at which plain descent goes as fast as with a filter before it.

  It is the rate times the filter's gain for a constant gradient, for Grokfast
  times 1 + λ. To first order that is all that a filter does to gradient descent, with or
  without momentum: a comparison wants this control. (Adam divides its gradient by
  its size, and has no such rate.)

  Args:
    tx: a linear transformation, such as a filter; without the learning rate.
    learning_rate: that which comes after it, above 0.
    length: how many steps of the impulse response; see :func:`frequency_response`.
    **settings: as for :func:`impulse_response`.

  Returns:
    The learning rate.

  Raises:
    ValueError: if ``learning_rate`` is no number above 0; otherwise as :func:`gain`.

  Examples:
    >>> import grokfax
    >>> filter = grokfax.grokfast_ema(0.9, lamb=2.0)
    >>> round(grokfax.spectrum.matched_learning_rate(filter, 0.1, 256), 4)
    0.3

  References:
    Lee and Lee, `arXiv 2609.32290 <https://arxiv.org/abs/2609.32290>`_, 2026, by the
    authors of Grokfast.
  """
  _arguments.check_number("learning_rate", learning_rate, "a finite number > 0", lambda r: r > 0)
  return float(learning_rate) * float(gain(tx, 0.0, length, **settings))


def half_power_cutoff(tx: optax.GradientTransformation, length: int, **settings: Any) -> float:
  """The frequency at which the power of the added part has fallen to half of that at 0.

  Args:
    tx: a linear transformation that adds a low-pass filtered gradient to it.
    length: how many steps of the impulse response; see :func:`frequency_response`.
    **settings: as for :func:`impulse_response`.

  Returns:
    The least ω with ``|H(ω) - 1|² = |H(0) - 1|² / 2``, in radians a step.

  Raises:
    ValueError: if there is none; otherwise as :func:`gain`.

  Examples:
    >>> import grokfax, math
    >>> omega = grokfax.spectrum.half_power_cutoff(grokfax.grokfast_ma(2), 8)
    >>> round(omega / math.pi, 6)
    0.5
  """
  added = _whole_response(tx, length, **settings)
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
  return root(above_half, float(below[0] - 1) * step, float(below[0]) * step)
