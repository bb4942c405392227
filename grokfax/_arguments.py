"""Arguments: a number, a traced scalar or a schedule of the step.

Only plain numbers are validated: tracers have no value to look at, and must
pass (`optax.inject_hyperparams`, `vmap` over a sweep).
"""

import math
import numbers
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.core import Tracer

Value = TypeVar("Value")


def shown(value: Any) -> str:
  """A value for an error message: one line, and not a long one."""
  line = " ".join(repr(value).split())
  return line if len(line) <= 80 else line[:77] + "..."


def check_number(
  name: str, value: Any, allowed: str, holds: Callable[[float], bool], *, or_else: str = ""
) -> None:
  """Raises a `ValueError` unless `value` is a finite Python number that `holds`."""
  if isinstance(value, numbers.Real) and not isinstance(value, bool):
    number = float(value)
    if math.isfinite(number) and holds(number):
      return
  raise ValueError(f"{name} must be {allowed}{or_else}; got {shown(value)}.")


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
    check_precision(name, value)
    return
  or_else = ", a scalar array or a schedule" if schedule else ", or a scalar array"
  check_number(name, value, allowed, holds, or_else=or_else)


def check_precision(name: str, value: jax.Array | np.ndarray) -> None:
  """Raises a `ValueError` for an array too narrow for a hyperparameter: .999 is 1 in bfloat16."""
  if jnp.issubdtype(value.dtype, jnp.floating) and jnp.finfo(value.dtype).bits < 32:
    raise ValueError(
      f"{name} must be at least float32, for its digits count (in bfloat16 0.999 is 1); it came "
      f"as {value.dtype}. optax.inject_hyperparams takes the parameters' dtype unless told: "
      f"say hyperparam_dtype=jnp.float32."
    )


def check_not_negative(name: str, value: Any, *, schedule: bool = True) -> None:
  check_scalar(name, value, "a finite number >= 0", lambda v: v >= 0, schedule=schedule)


def _is_int(value: Any, least: int) -> bool:
  whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
  return whole and int(value) >= least


def check_int(name: str, value: int, least: int) -> None:
  """Raises a `ValueError` unless `value` is a Python int that is not below `least`."""
  if not _is_int(value, least):
    raise ValueError(f"{name} must be a Python int >= {least}; got {shown(value)}.")


def check_size(name: str, value: int) -> None:
  """Raises a `ValueError` unless `value`, which sets a shape, is a Python int >= 1."""
  if not _is_int(value, 1):
    hint = f" Under optax.inject_hyperparams name it in static_args: static_args=({name!r},)."
    raise ValueError(
      f"{name} must be a Python int >= 1, for it sets a shape; got {shown(value)}."
      f"{hint if isinstance(value, jax.Array) else ''}"
    )


def check_mask(mask: Any, name: str = "mask") -> None:
  """Raises a `ValueError` for what `optax.inject_hyperparams` makes of a function: its value."""
  if isinstance(mask, (bool, np.bool_, jax.Array, np.ndarray)):
    raise ValueError(
      f"{name} must be None, a tree of bools or a function of the parameters; got {shown(mask)}. "
      f"Under optax.inject_hyperparams name it in static_args: static_args=({name!r},)."
    )


def as_tuple(name: str, values: Sequence[Value]) -> tuple[Value, ...]:
  """`values`, at least one, as a tuple: of numbers, traced scalars or schedules."""
  unordered = isinstance(values, (str, bytes, dict, set, frozenset))
  try:
    found = () if unordered else tuple(values)
  except TypeError:
    found = ()
  if not found:
    raise ValueError(f"{name} must be a sequence of at least one value; got {shown(values)}.")
  return found


def as_coefficients(name: str, values: Any) -> np.ndarray | jax.Array:
  """`values`, at least one finite real number, as an array of shape (n,): float64 unless traced."""
  if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(values)):
    array = jnp.asarray(values)
    check_precision(name, array)
    good = array.ndim == 1 and array.size > 0 and not jnp.iscomplexobj(array)
  else:
    try:
      array = np.asarray(values)
      real = jnp.issubdtype(array.dtype, jnp.floating) or jnp.issubdtype(array.dtype, jnp.integer)
    except ValueError:  # ragged
      array, real = np.empty(0), False
    good = real and array.ndim == 1 and array.size > 0
    if good:
      array = array.astype(np.float64)
      good = bool(np.isfinite(array).all())
  if not good:
    raise ValueError(
      f"{name} must be a sequence of at least one finite real number; got {shown(values)}."
    )
  return array


def check_choice(name: str, value: Value, choices: tuple[Value, ...]) -> None:
  if not any(value is choice or value == choice for choice in choices):
    raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}; got {shown(value)}.")


def at_step(value: optax.ScalarOrSchedule, step: jax.typing.ArrayLike) -> jax.typing.ArrayLike:
  """The value of a number, or of a schedule at `step` (counted from 0)."""
  return value(step) if callable(value) else value


def check_transformation(name: str, value: Any) -> None:
  """Raises a `ValueError` unless `value` is a gradient transformation."""
  if not (hasattr(value, "init") and hasattr(value, "update")):
    raise ValueError(
      f"{name} must be a gradient transformation, such as grokfast_ema(), and stand first; "
      f"got {shown(value)}."
    )
