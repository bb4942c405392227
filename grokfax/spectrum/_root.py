"""Where a function crosses zero."""

from collections.abc import Callable


def root(f: Callable[[float], float], low: float, high: float) -> float:
  """Where f, positive at `low` and falling, is 0, by bisection to the last digit."""
  while low < (middle := (low + high) / 2) < high:
    low, high = (middle, high) if f(middle) > 0 else (low, middle)
  return middle
