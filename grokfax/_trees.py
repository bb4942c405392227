"""Trees of gradients, and of accumulators shaped like them.

A gradient may be `None` (nothing to update there). The accumulator beside it
then stays as it is, so that the state keeps its structure from step to step.
(A window of gradients moves on, and takes it for 0.)
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax


def accumulator_dtype_of(leaf: Any, dtype: jax.typing.DTypeLike | None) -> jnp.dtype:
  """The dtype to accumulate `leaf` in: `dtype`, or else at least float32; complex stays complex."""
  own = jnp.result_type(leaf)
  wide = jnp.promote_types(own, jnp.float32) if dtype is None else jnp.dtype(dtype)
  if jnp.issubdtype(own, jnp.complexfloating):
    wide = jnp.promote_types(wide, jnp.complex64)
  return jax.dtypes.canonicalize_dtype(wide)


def check_accumulator_dtype(dtype: jax.typing.DTypeLike | None) -> None:
  """Raises a `ValueError` unless `dtype` is None or names a floating or complex dtype."""
  try:
    allowed = dtype is None or jnp.issubdtype(jnp.dtype(dtype), jnp.inexact)
  except TypeError:
    allowed = False
  if not allowed:
    raise ValueError(f"accumulator_dtype must be None or a floating dtype; got {dtype!r}.")


def accumulators_like(params: optax.Params, dtype: jax.typing.DTypeLike | None) -> Any:
  """Zeros shaped like `params`, in the dtype that each leaf is accumulated in."""
  return jax.tree.map(lambda p: jnp.zeros_like(p, dtype=accumulator_dtype_of(p, dtype)), params)


def promoted(g: Any, *states: jax.Array) -> list[jax.Array]:
  """A gradient and its accumulators in the widest of their dtypes: none loses a digit."""
  dtype = jnp.result_type(g)
  for state in states:
    dtype = jnp.promote_types(dtype, state.dtype)
  return [jnp.asarray(array, dtype) for array in (g, *states)]


def as_scalar_of(value: jax.typing.ArrayLike, array: jax.Array) -> jax.Array:
  """`value` in `array`'s precision, so that the product keeps `array`'s dtype."""
  return jnp.asarray(value, dtype=jnp.finfo(array.dtype).dtype)


def amplify(*gains: jax.typing.ArrayLike) -> Callable[..., jax.Array]:
  """The rule ĝ = g + Σ λ·slow, with a gain λ for each slow part of the gradient."""

  def rule(g, *slow):
    g, *slow = promoted(g, *slow)
    for gain, part in zip(gains, slow, strict=True):
      gain = as_scalar_of(gain, part)
      g = jnp.where(gain == 0, g, g + gain * part)  # 0 adds nothing, though the part be inf
    return g

  return rule


def _is_none(leaf: Any) -> bool:
  return leaf is None


def advance(rule: Callable[..., jax.Array], updates: optax.Updates, *states: Any) -> Any:
  """`rule(g, *s)` for each gradient, in the dtype of the first state, which stays without one."""

  def leaf(g, *s):
    return s[0] if g is None else rule(g, *s).astype(s[0].dtype)

  return jax.tree.map(leaf, updates, *states, is_leaf=_is_none)


def emit(rule: Callable[..., jax.Array], updates: optax.Updates, *states: Any) -> optax.Updates:
  """`rule(g, *s)` for each gradient, in the dtype of that gradient; `None` stays `None`."""

  def leaf(g, *s):
    return None if g is None else rule(g, *s).astype(jnp.result_type(g))

  return jax.tree.map(leaf, updates, *states, is_leaf=_is_none)
