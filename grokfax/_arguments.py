"""Arguments: a number, a traced scalar or a schedule of the step.

Only plain numbers are validated: tracers have no value to look at, and must
pass (`optax.inject_hyperparams`, `vmap` over a sweep).
"""

import math
import numbers
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import numpy as np
import optax

Value = TypeVar("Value")


def check_scalar(
  name: str,
  value: Any,
  allowed: str = "a finite number",
  holds: Callable[[float], bool] = lambda _: True,
  *,
  schedule: bool = True,
) -> None:
  """Raises a `ValueError` unless `value` is a scalar array or a number that `holds`.

  Where `schedule` is true it may be a function of the step too.
  """
  if schedule and callable(value):
    return
  if isinstance(value, (jax.Array, np.ndarray)) and value.ndim == 0:
    return
  if isinstance(value, numbers.Real) and not isinstance(value, bool):
    number = float(value)
    if math.isfinite(number) and holds(number):
      return
  kinds = "a scalar array or a schedule" if schedule else "or a scalar array"
  raise ValueError(f"{name} must be {allowed}, {kinds}; got {value!r}.")


def check_not_negative(name: str, value: Any, *, schedule: bool = True) -> None:
  check_scalar(name, value, "a finite number >= 0", lambda v: v >= 0, schedule=schedule)


def check_size(name: str, value: int) -> None:
  """Raises a `ValueError` unless `value`, which sets a shape, is a Python int >= 1."""
  is_integer = isinstance(value, numbers.Integral) and not isinstance(value, bool)
  if not is_integer or value < 1:
    raise ValueError(
      f"{name} must be a Python int >= 1, for it sets a shape; got {value!r}. "
      f"Under optax.inject_hyperparams name it in static_args: static_args=({name!r},)."
    )


def check_mask(mask: Any) -> None:
  """Raises a `ValueError` for what `optax.inject_hyperparams` makes of a function: its value."""
  if isinstance(mask, (bool, np.bool_, jax.Array, np.ndarray)):
    raise ValueError(
      f"mask must be None, a tree of bools or a function of the parameters; got {mask!r}. "
      "Under optax.inject_hyperparams name it in static_args: static_args=('mask',)."
    )


def check_choice(name: str, value: Value, choices: tuple[Value, ...]) -> None:
  if not any(value is choice or value == choice for choice in choices):
    raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}; got {value!r}.")


def at_step(value: optax.ScalarOrSchedule, step: jax.typing.ArrayLike) -> jax.typing.ArrayLike:
  """The value of a number, or of a schedule at `step` (counted from 0)."""
  return value(step) if callable(value) else value
