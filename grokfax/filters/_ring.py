"""The last gradients, in a ring that is written in place.

A ring keeps the parameters' own dtype, but on a CPU bfloat16 and floats of 8 bits are kept in
float32, which holds them exactly: XLA's CPU backend would convert the whole ring to float32 and
back to write one slot. So what a checkpoint holds are the gradients' own
numbers everywhere, and it may be restored into either dtype.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.sharding import PartitionSpec

from grokfax import _trees


def _dtype_for(own: jnp.dtype) -> jnp.dtype:
  """The dtype in which a ring of that dtype is stored on this machine."""
  if not jnp.issubdtype(own, jnp.inexact):
    return jnp.dtype(jnp.float32)
  written_in_place = own == jnp.float16 or jnp.finfo(own).bits >= 32
  if not written_in_place and jax.default_backend() == "cpu":
    return jnp.dtype(jnp.float32)
  return own


def zeros(
  params: optax.Params, size: int, dtype: Callable[[Any], jnp.dtype] = jnp.result_type
) -> Any:
  """A ring of zeros for each parameter, (size, *shape), in the dtype that `dtype` has for it."""

  def leaf(p):
    # Broadcast rather than made anew, so that it is sharded as the parameter is.
    return jnp.broadcast_to(jnp.zeros_like(p, dtype=_dtype_for(dtype(p))), (size, *jnp.shape(p)))

  return jax.tree.map(_with_axis, _trees.zeros_like(params, leaf), is_leaf=_is_box)


def _is_box(node: Any) -> bool:
  """Whether it holds an array and says how that is sharded: Flax's boxes, and NNX's variables."""
  return hasattr(node, "replace_boxed") or hasattr(node, "get_metadata")


def _with_axis(node: Any) -> Any:
  """A box whose sharding has an axis more, the first, which no device shares."""
  if hasattr(node, "replace_boxed"):
    return node.add_axis(0, {"partition_name": None})
  if hasattr(node, "get_metadata"):
    metadata = node.get_metadata()
    kinds = ("out_sharding", "sharding_names", "optimizer_sharding")
    specs = {kind: metadata[kind] for kind in kinds if metadata.get(kind)}
    longer = {
      kind: type(spec)(None, *spec) if isinstance(spec, PartitionSpec) else (None, *spec)
      for kind, spec in specs.items()
    }
    return node.copy(**longer) if longer else node
  return node


def narrowed(p: Any, dtype: jax.typing.DTypeLike | None) -> jnp.dtype:
  """The dtype asked for, or None for that of the array; complex stays as it is."""
  own = jnp.result_type(p)
  if dtype is None or jnp.issubdtype(own, jnp.complexfloating):
    return own
  return jax.dtypes.canonicalize_dtype(dtype)


def after(slot: jax.typing.ArrayLike, size: int) -> jax.Array:
  """The slot to write after this one."""
  return jnp.where(slot == size - 1, 0, slot + 1)


def as_kept(updates: optax.Updates, window: Any, dtype: jax.typing.DTypeLike | None = None) -> Any:
  """The gradients as the ring keeps them: rounded to `dtype`, in the ring's; missing ones as 0."""

  def leaf(g, ring):
    if _trees.is_missing(g):
      return jax.tree.map(lambda kept: jnp.zeros_like(kept[0]), ring)  # of all that is below
    for kind in (narrowed(g, dtype), ring.dtype):
      if jnp.result_type(g) != kind:
        # Else XLA would leave the rounding out where the value is widened again.
        g = jax.lax.optimization_barrier(jnp.asarray(g, kind))
    return jnp.asarray(g)

  return _trees.beside(leaf, updates, window)


def write(
  kept: Any, window: Any, slot: jax.typing.ArrayLike, *, begins: jax.typing.ArrayLike = True
) -> Any:
  """The ring with the gradient in its slot, or added to what is there unless a block `begins`.

  Write first, then read from what comes back: this order lets XLA write in place.
  The other one copies the whole ring at every step.
  """

  def leaf(g, ring):
    if begins is not True:
      g = jnp.where(begins, 0, read(ring, slot, ring.dtype)) + g
    return jax.lax.dynamic_update_index_in_dim(ring, g, slot, axis=0)

  return _trees.advance(leaf, kept, window)


def read(ring: jax.Array, slot: jax.typing.ArrayLike, dtype: jax.typing.DTypeLike) -> jax.Array:
  """The gradient in a slot of one parameter's ring."""
  return jax.lax.dynamic_index_in_dim(ring, slot, axis=0, keepdims=False).astype(dtype)
