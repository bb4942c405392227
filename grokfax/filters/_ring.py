"""The last gradients, in a ring that is written in place.

A ring of bfloat16 is kept as its bits, uint16: XLA's CPU backend would convert all of it
to float32 and back to write one slot. No other ring has that dtype.
"""

from typing import Any

import jax
import jax.numpy as jnp
import optax

_BITS = jnp.uint16


def dtype_of(ring: jax.Array) -> jnp.dtype:
  """The dtype of the gradients in a ring."""
  return jnp.dtype(jnp.bfloat16) if ring.dtype == _BITS else ring.dtype


def zeros(params: optax.Params, size: int) -> Any:
  """A ring of zeros for each parameter: (size, *shape), in its own dtype if that is floating."""

  def leaf(p):
    own = jnp.result_type(p)
    dtype = own if jnp.issubdtype(own, jnp.inexact) else jnp.float32
    dtype = _BITS if dtype == jnp.bfloat16 else dtype
    # Broadcast rather than made anew, so that it is sharded as the parameter is.
    return jnp.broadcast_to(jnp.zeros_like(p, dtype=dtype), (size, *jnp.shape(p)))

  return jax.tree.map(leaf, params)


def after(slot: jax.typing.ArrayLike, size: int) -> jax.Array:
  """The slot to write after this one."""
  return jnp.where(slot == size - 1, 0, slot + 1)


def as_kept(updates: optax.Updates, window: Any) -> Any:
  """The gradients as the ring keeps them, in its dtype; a missing one as zeros."""

  def leaf(g, ring):
    if g is None:
      return None if ring is None else jnp.zeros_like(ring[0], dtype=dtype_of(ring))
    if jnp.result_type(g) == dtype_of(ring):
      return jnp.asarray(g)
    # Else XLA would leave the rounding out where the value is widened again.
    return jax.lax.optimization_barrier(jnp.asarray(g, dtype_of(ring)))

  return jax.tree.map(leaf, updates, window, is_leaf=lambda g: g is None)


def write(kept: Any, window: Any, slot: jax.typing.ArrayLike) -> Any:
  """The ring with the gradient in its slot.

  Write first, then read from what comes back: this order lets XLA write in place.
  The other one copies the whole ring at every step.
  """

  def leaf(g, ring):
    g = jax.lax.bitcast_convert_type(g, _BITS) if ring.dtype == _BITS else g
    return jax.lax.dynamic_update_index_in_dim(ring, g, slot, axis=0)

  return jax.tree.map(leaf, kept, window)


def read(ring: jax.Array, slot: jax.typing.ArrayLike, dtype: jax.typing.DTypeLike) -> jax.Array:
  """The gradient in a slot of one parameter's ring."""
  g = jax.lax.dynamic_index_in_dim(ring, slot, axis=0, keepdims=False)
  g = jax.lax.bitcast_convert_type(g, jnp.bfloat16) if ring.dtype == _BITS else g
  return g.astype(dtype)
