"""Spaces of settings to search, and how trials are drawn from one.

SciPy is imported where it is called: it takes a while.
"""

from collections.abc import Mapping, Sequence

import numpy as np

# Low, high, and whether the logarithm is uniform.
Space = Mapping[str, tuple[float, float, bool]]


def _short(value: float) -> float:
  """Four digits: what is written down is what was trained with."""
  return float(f"{value:.4g}")


def spread(space: Space, trials: int, rng: np.random.Generator) -> list[dict[str, float]]:
  """Random trials over all of a space: of each number one in each of as many equal parts."""
  from scipy.stats import qmc

  unit = qmc.LatinHypercube(len(space), rng=rng).random(trials)
  return [_at(space, point) for point in unit]


def _at(space: Space, point: Sequence[float]) -> dict[str, float]:
  """The trial at a point of the unit cube."""
  found = {}
  for share, (name, (low, high, log)) in zip(point, space.items(), strict=True):
    a, b = (np.log(low), np.log(high)) if log else (low, high)
    value = a + share * (b - a)
    found[name] = _short(np.exp(value) if log else value)
  return found


def changed(
  trial: Mapping[str, float],
  other: Mapping[str, float],
  space: Space,
  width: float,
  rng: np.random.Generator,
) -> dict[str, float]:
  """A trial between two good ones and beside them, in what part of the space `width` says.

  It differs from the first of them in one number at least.
  """
  found = dict(trial)
  while found == trial:
    for name, (low, high, log) in space.items():
      a, b, x, y = (np.log(v) if log else v for v in (low, high, trial[name], other[name]))
      value = x + rng.uniform(0, 1) * (y - x) * (rng.random() < 0.5)
      value = np.clip(value + width * (b - a) * rng.normal() * (rng.random() < 0.5), a, b)
      found[name] = _short(np.exp(value) if log else value)
  return found
