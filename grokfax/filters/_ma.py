"""The average of the last gradients."""

import functools
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax

from grokfax import _arguments, _trees
from grokfax._arguments import at_step
from grokfax.filters import _blocks, _ring


def _check_window(
  window_size: int, blocks: int | None, window_dtype: jax.typing.DTypeLike | None
) -> None:
  """Raises a `ValueError` unless the window can be kept so."""
  _trees.check_float("window_dtype", window_dtype, jnp.floating)
  if blocks is None:
    return
  _arguments.check_size("blocks", blocks)
  if window_size % blocks:
    raise ValueError(f"blocks must divide window_size {window_size}; got {blocks}.")
  if window_dtype is not None:
    raise ValueError(
      "window_dtype is for a window of gradients: sums of blocks are kept in accumulator_dtype."
    )


class GrokfastMaState(NamedTuple):
  """State of :func:`grokfast_ma`.

  Attributes:
    filter_step: updates made so far, int32 of shape ().
    slot: where in the window the next gradient is written, int32 of shape ().
      It is a clock, not data: it does not depend on ``filter_step``. Under ``vmap`` over
      many runs it should stay unbatched, as ``unbatched_fields`` says: an index of each
      run's own would make a scatter of every write, and copy the window.
    window: the last w gradients as a ring, ``(w, *shape)``, in the parameters' dtype
      or ``window_dtype``; on a CPU bfloat16 in float32, where it is written faster.
    recent_sum: sum of the last w - 1 of them, in the accumulator's dtype.
    fresh_sum: sum of those written since the ring last wrapped.
  """

  filter_step: jax.typing.ArrayLike
  slot: jax.typing.ArrayLike
  window: Any
  recent_sum: Any
  fresh_sum: Any

  unbatched_fields = ("slot",)


def grokfast_ma(
  window_size: int = 100,
  lamb: optax.ScalarOrSchedule = 5.0,
  *,
  filter_type: Literal["mean", "sum"] = "mean",
  warmup: bool = True,
  blocks: int | None = None,
  window_dtype: jax.typing.DTypeLike | None = None,
  accumulator_dtype: jax.typing.DTypeLike | None = None,
) -> optax.GradientTransformationExtraArgs:
  r"""Adds λ times the moving average of the last w gradients.

  .. math::

    \hat g_t = g_t + \frac{\lambda}{w} \sum_{k=0}^{w-1} g_{t-k}

  The window includes the gradient of this step. A step costs the same at any
  window, in time; in memory the state holds w + 2 arrays for each parameter.
  Works on gradients of any shape and of any floating or complex dtype; what
  comes out has the shape and dtype of what went in.

  Rounding does not build up, and a gradient that was not finite is gone from
  the state 2w steps later. One that is None counts as 0 in the window. On a mesh
  with automatic axes call ``init`` outside of ``jit``, or state where the window
  goes: inside, its zeros are on every device.

  With blocks, B of them, the state keeps sums of w/B gradients in a row instead of
  each one, and while the newest block grows the oldest one fades. In the step with
  the index t, counted from 0, the newest block has the last
  :math:`n = t \bmod (w/B) + 1` gradients. The weight of each of the last
  w - w/B + n is 1, and of the w/B before those :math:`1 - n B/w`: w together, at
  every step, so that the gain for a constant gradient is 1 + λ throughout, and the
  mean age of what is averaged that of the full window within w/(8B²) of a step.
  (It is linear, but time-invariant only up to those weights.) Rounding does not
  build up either, for the sum is made anew every w + w/B steps; a gradient that was
  not finite is gone 2(w + w/B) steps later.

  Args:
    window_size: w, how many gradients the window holds: a Python int >= 1, for
      it sets a shape. Under ``optax.inject_hyperparams`` name it in
      ``static_args``.
    lamb: λ, how much of the average is added, not negative. A number, a traced
      scalar or a schedule of the step, counted from 0;
      :func:`grokfax.start_at` makes the paper's two-stage run.
    filter_type: "mean", or "sum" for the sum over the window.
    warmup: if True, nothing is added until w gradients are held; if False, the
      mean over those held so far is added from the first step.
    blocks: B, a Python int that divides w; None keeps each gradient. The state is then
      a :class:`GrokfastBlockMaState`. Under ``optax.inject_hyperparams`` name it in
      ``static_args``.
    window_dtype: what the window's gradients are rounded to; None is the
      parameter's own dtype. In bfloat16 an average of w of them is off by at most
      2⁻⁹ of the mean of their sizes, ``|g|``; in float16 by 2⁻¹¹ of it where they are
      between 6e-5 and 65,504. Complex gradients are not rounded. (A CPU stores
      bfloat16 in float32, which saves no memory there; float16 does.)
    accumulator_dtype: dtype of the sums. None is that of the parameter, but at
      least float32.

  Returns:
    A gradient transformation, to be chained before the optimizer.

  Raises:
    ValueError: if ``window_size`` is below 1, not an int or traced, ``blocks``
      does not divide it, or comes with ``window_dtype``, ``filter_type`` is
      unknown, a dtype is none of floats, or ``lamb`` is a number below 0.

  Examples:
    >>> import grokfax, jax.numpy as jnp
    >>> tx = grokfax.grokfast_ma(window_size=2, lamb=1.0)
    >>> state = tx.init(jnp.zeros([]))
    >>> for g in (1.0, 3.0, 5.0):
    ...   update, state = tx.update(jnp.asarray(g), state)
    ...   print(update)
    1.0
    5.0
    9.0

    A tenth of the memory, 12 arrays for each parameter:

    >>> tx = grokfax.grokfast_ma(window_size=100, blocks=10)

  References:
    Lee et al., `Grokfast <https://arxiv.org/abs/2405.20233>`_, 2024, algorithm 1.
  """
  _arguments.check_size("window_size", window_size)
  _arguments.check_not_negative("lamb", lamb)
  _arguments.check_choice("filter_type", filter_type, ("mean", "sum"))
  _arguments.check_choice("warmup", warmup, (True, False))
  _trees.check_float("accumulator_dtype", accumulator_dtype)
  _check_window(window_size, blocks, window_dtype)
  if blocks is not None:
    return _blocks.grokfast_ma_of_blocks(
      window_size, blocks, lamb, filter_type, warmup, accumulator_dtype
    )
  last_slot = window_size - 1
  kept_as = functools.partial(_ring.narrowed, dtype=window_dtype)

  def init_fn(params):
    return GrokfastMaState(
      filter_step=jnp.zeros([], jnp.int32),
      slot=jnp.zeros([], jnp.int32),
      window=_ring.zeros(params, window_size, dtype=kept_as),
      recent_sum=_trees.accumulators_like(params, accumulator_dtype),
      fresh_sum=_trees.accumulators_like(params, accumulator_dtype),
    )

  def update_fn(updates, state, params=None, **extra_args):
    del params, extra_args
    _trees.check_state(state, GrokfastMaState)
    _trees.check_shapes(updates, state.window, size=window_size)
    step, slot = state.filter_step, state.slot
    next_slot = _ring.after(slot, window_size)
    held = jnp.minimum(step, last_slot) + 1  # in this order: the counter saturates
    gain = at_step(lamb, step) / (held if filter_type == "mean" else 1)
    if warmup:
      gain = jnp.where(held == window_size, gain, 0.0)

    # A running sum alone would keep the rounding of the large early gradients,
    # and one NaN, for good. So a second sum starts anew whenever the ring wraps,
    # and takes over when it holds a whole window.
    def since_wrap(g, fresh):
      g, fresh = _trees.promoted(g, fresh)
      return jnp.where(slot == 0, g, fresh + g)

    def without_oldest(g, recent, fresh, ring):
      oldest = _ring.read(ring, next_slot, recent.dtype)
      g, recent, fresh, oldest = _trees.promoted(g, recent, fresh, oldest)
      return jnp.where(slot == last_slot, fresh, recent + g) - oldest

    # From the new state: were the old one read here, XLA would copy it at every step.
    def whole(g, recent, ring):
      del g
      return recent + _ring.read(ring, next_slot, recent.dtype)

    # What is summed is what the ring keeps, so that a gradient leaves as it came.
    kept = _ring.as_kept(updates, state.window, window_dtype)
    window = _ring.write(kept, state.window, slot)
    fresh_sum = _trees.advance(since_wrap, kept, state.fresh_sum)
    recent_sum = _trees.advance(without_oldest, kept, state.recent_sum, fresh_sum, window)
    sums = _trees.advance(whole, kept, recent_sum, window)
    updates = _trees.emit(_trees.amplify(gain), updates, sums)
    return updates, GrokfastMaState(
      optax.safe_increment(step), next_slot, window, recent_sum, fresh_sum
    )

  return optax.GradientTransformationExtraArgs(init_fn, update_fn)
