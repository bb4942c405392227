"""Equivalents: the α that does what a window does, its warm-up, and settings to start from."""

import math
from typing import Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import optax

from grokfax import _arguments
from grokfax.spectrum._root import root

Convention: TypeAlias = Literal["delay", "cutoff", "decay"]
CONVENTIONS: tuple[Convention, ...] = ("delay", "cutoff", "decay")


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
  window = float(window)
  if convention == "delay":
    return (window - 1) / (window + 1)
  if convention == "decay":
    return 0.1 ** (1 / window)
  highest = min(math.pi, 2 * math.pi / window)
  if _average_gain(window, highest) > math.sqrt(0.5):
    raise ValueError(f"the average of a window of {window} nowhere falls to half its power.")
  omega = root(lambda o: _average_gain(window, o) - math.sqrt(0.5), 1e-6 / window, highest)
  versine = 2 * math.sin(omega / 2) ** 2  # (1 - α)² = 2α(1 - cos ω)
  return 1 + versine - math.sqrt(versine * (2 + versine))


def window_from_alpha(alpha: float, convention: Convention = "delay") -> float:
  """The window whose average does what the exponential moving average does.

  Args:
    alpha: α, in (0, 1); above 0.1 for "decay".
    convention: as for :func:`alpha_from_window`, of which it is the inverse.

  Returns:
    w, not rounded.

  Raises:
    ValueError: if ``alpha`` is out of its range, ``convention`` is unknown, or, for
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
  _arguments.check_choice("convention", convention, CONVENTIONS)
  least = 0.1 if convention == "decay" else 0.0
  _arguments.check_number("alpha", alpha, f"a number in ({least:g}, 1)", lambda a: least < a < 1)
  alpha = float(alpha)
  if convention == "delay":
    return (1 + alpha) / (1 - alpha)
  if convention == "decay":
    return math.log(0.1) / math.log(alpha)
  sine = (1 - alpha) / math.sqrt(4 * alpha)  # sin(ω/2)
  if sine > 1:
    raise ValueError(f"the average with alpha = {alpha} nowhere falls to half its power.")
  omega = 2 * math.asin(sine)
  return root(lambda w: _average_gain(w, omega) - math.sqrt(0.5), 1.0, 2 * math.pi / omega)


def half_life_warmup(alpha: jax.typing.ArrayLike, steps: jax.typing.ArrayLike) -> optax.Schedule:
  r"""A schedule for α whose half-life grows linearly, from 0.

  .. math::

    \alpha_t = \alpha^{T/t} \quad (t < T), \qquad
    \frac{\ln 2}{\ln (1/\alpha_t)} = \frac{t}{T} \, \frac{\ln 2}{\ln (1/\alpha)}

  An average of 1/(1 - α) steps knows no more than the few there were; so at the
  start it is as short as they are few. Linearly in α it would be short almost to
  the end.

  Args:
    alpha: α from step ``steps`` on, in (0, 1); a number or a traced scalar.
    steps: T, at least 1; a number or a traced scalar.

  Returns:
    A function from the step, counted from 0, to α_t, float32; at 0 it is 0.

  Raises:
    ValueError: if ``alpha`` is a number outside (0, 1), or ``steps`` one below 1.

  Examples:
    >>> import grokfax
    >>> alpha = grokfax.spectrum.half_life_warmup(0.98, 500)
    >>> [round(float(alpha(step)), 4) for step in (0, 50, 250, 500, 1000)]
    [0.0, 0.8171, 0.9604, 0.98, 0.98]
    >>> tx = grokfax.grokfast_ema(alpha, lamb=2.0)

  References:
    Pagliardini et al., `The AdEMAMix Optimizer <https://arxiv.org/abs/2409.03137>`_,
    2024, section 3 (which starts from Adam's β₁ rather than 0).
  """
  _arguments.check_scalar("alpha", alpha, "a number in (0, 1)", lambda a: 0 < a < 1, schedule=False)
  _arguments.check_scalar("steps", steps, "a finite number >= 1", lambda n: n >= 1, schedule=False)

  def schedule(count):
    done = jnp.minimum(jnp.asarray(count) / jnp.asarray(steps), 1.0)
    risen = jnp.asarray(alpha) ** (1 / jnp.where(done > 0, done, 1))
    return jnp.where(done > 0, risen, 0.0)

  return schedule


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
  """The authors' recipe for a generalization that comes late.

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
