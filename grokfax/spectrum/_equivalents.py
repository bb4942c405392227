"""Equivalents: the α that does what a window does, and settings to start from."""

import math
from typing import Literal, NamedTuple, TypeAlias

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
