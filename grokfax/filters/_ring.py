"""The last gradients, in a ring that is written in place."""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from grokfax import _trees


def zeros(params: optax.Params, size: int) -> Any:
  """A ring of zeros for each parameter: (size, *shape), in the parameter's own dtype."""

  def leaf(p):
    # Broadcast rather than made anew, so that it is sharded as the parameter is.
    empty = jnp.zeros_like(p, dtype=jnp.result_type(p))
    return jnp.broadcast_to(empty, (size, *jnp.shape(p)))

  return jax.tree.map(leaf, params)


def after(slot: jax.typing.ArrayLike, size: int) -> jax.Array:
  """The slot to write after this one."""
  return jnp.where(slot == size - 1, 0, slot + 1)


def write(updates: optax.Updates, window: Any, slot: jax.typing.ArrayLike) -> Any:
  """The ring with the gradient in its slot.

  Write first, then read from what comes back: this order lets XLA write in place.
  The other one copies the whole ring at every step.
  """

  def rule(g, ring):
    return jax.lax.dynamic_update_index_in_dim(ring, jnp.asarray(g, ring.dtype), slot, axis=0)

  return _trees.advance(rule, updates, window)


def read(ring: jax.Array, slot: jax.typing.ArrayLike, dtype: jax.typing.DTypeLike) -> jax.Array:
  """The gradient in a slot of one parameter's ring."""
  return jax.lax.dynamic_index_in_dim(ring, slot, axis=0, keepdims=False).astype(dtype)


def as_kept(updates: optax.Updates, window: Any) -> optax.Updates:
  """The gradients as the ring keeps them: rounded to its dtype, where that is narrower."""

  def rule(g, ring):
    if jnp.result_type(g) == ring.dtype or jnp.iscomplexobj(ring):
      return jnp.asarray(g)
    kept = jnp.finfo(ring.dtype)
    return jax.lax.reduce_precision(jnp.asarray(g), kept.nexp, kept.nmant)

  return _trees.emit(rule, updates, window)
