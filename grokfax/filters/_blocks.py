"""The average of the last gradients, at a fraction of its memory: sums of blocks of them."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from grokfax import _trees
from grokfax._arguments import at_step
from grokfax.filters import _ring


class GrokfastBlockMaState(NamedTuple):
  """State of :func:`grokfast_ma` with ``blocks``.

  Attributes:
    filter_step: updates made so far, int32 of shape ().
    slot: which gradient of which block is the next, int32 of shape (). It is a clock, not
      data, as that of :class:`GrokfastMaState`.
    block_sums: the sums of the newest block and of B before it, as a ring,
      ``(B + 1, *shape)``, in the accumulator's dtype.
    window_sum: of those that will have a weight in the next step.
  """

  filter_step: jax.typing.ArrayLike
  slot: jax.typing.ArrayLike
  block_sums: Any
  window_sum: Any

  unbatched_fields = ("slot",)


def grokfast_ma_of_blocks(
  window_size: int,
  blocks: int,
  lamb: optax.ScalarOrSchedule,
  filter_type: str,
  warmup: bool,
  accumulator_dtype: jax.typing.DTypeLike | None,
) -> optax.GradientTransformationExtraArgs:
  """The moving average of a window that is kept in blocks; see :func:`grokfast_ma`."""
  size = window_size // blocks  # gradients in a block
  places = blocks + 1
  last_slot = places * size - 1

  def init_fn(params):
    dtype = functools.partial(_trees.accumulator_dtype_of, dtype=accumulator_dtype)
    return GrokfastBlockMaState(
      filter_step=jnp.zeros([], jnp.int32),
      slot=jnp.zeros([], jnp.int32),
      block_sums=_ring.zeros(params, places, dtype),
      window_sum=_trees.accumulators_like(params, accumulator_dtype),
    )

  def update_fn(updates, state, params=None, **extra_args):
    del params, extra_args
    _trees.check_state(state, GrokfastBlockMaState)
    _trees.check_shapes(updates, state.block_sums, size=places)
    step, slot = state.filter_step, state.slot
    place, newest = slot // size, slot % size + 1
    oldest = _ring.after(place, places)
    fading = 1 - jnp.asarray(newest, jnp.result_type(float)) / size

    seen, whole = jnp.minimum(step, 2 * window_size) + 1, window_size - size + newest
    weight = jnp.minimum(seen, whole) + fading * jnp.clip(seen - whole, 0, size)
    gain = at_step(lamb, step) / (weight if filter_type == "mean" else 1)
    if warmup:
      gain = jnp.where(step >= window_size - 1, gain, 0.0)

    kept = _ring.as_kept(updates, state.block_sums)
    rings = _ring.write(kept, state.block_sums, place, begins=newest == 1)

    def faded(g, total, ring):
      gone = _trees.as_scalar_of(1 - fading, total) * _ring.read(ring, oldest, total.dtype)
      g, total, gone = _trees.promoted(g, total, gone)
      return total + g - gone

    def without_oldest(g, total, ring):
      gone = jnp.where(newest == size, _ring.read(ring, oldest, total.dtype), 0)
      g, total, gone = _trees.promoted(g, total, gone)
      return total + g - gone

    # A running sum alone would keep its rounding, and one NaN, for good: made anew at each wrap.
    def anew(g, total, ring):
      del g

      def add(i, total):
        return total + _ring.read(ring, i, total.dtype)

      # Of all but the oldest, which is the first now. In a loop: a sum would make a copy of them.
      return jax.lax.fori_loop(1, places, add, jnp.zeros_like(total))

    sums = _trees.advance(faded, kept, state.window_sum, rings)
    window_sum = jax.lax.cond(
      slot == last_slot,
      lambda total, rings: _trees.advance(anew, kept, total, rings),
      lambda total, rings: total,
      *(_trees.advance(without_oldest, kept, state.window_sum, rings), rings),
    )
    updates = _trees.emit(_trees.amplify(gain), updates, sums)
    return updates, GrokfastBlockMaState(
      optax.safe_increment(step), _ring.after(slot, last_slot + 1), rings, window_sum
    )

  return optax.GradientTransformationExtraArgs(init_fn, update_fn)
