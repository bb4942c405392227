"""Any finite impulse response."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from grokfax import _arguments, _trees
from grokfax._arguments import at_step
from grokfax.filters import _ring

_UNROLLED = 4  # taps added in one pass


class GrokfastFirState(NamedTuple):
  """State of :func:`grokfast_fir`.

  Attributes:
    filter_step: updates made so far, int32 of shape ().
    slot: where in the window the next gradient is written, int32 of shape ().
      It is a clock, not data: it does not depend on ``filter_step``. Under ``vmap`` over
      many runs it should stay unbatched, as ``unbatched_fields`` says: an index of each
      run's own would make a scatter of every write, and copy the window.
    window: the last n gradients as a ring, ``(n, *shape)``, in the parameters' dtype;
      on a CPU bfloat16 in float32, where it is written faster.
  """

  filter_step: jax.typing.ArrayLike
  slot: jax.typing.ArrayLike
  window: Any

  unbatched_fields = ("slot",)


def grokfast_fir(
  taps: Any,
  lamb: optax.ScalarOrSchedule = 1.0,
  *,
  accumulator_dtype: jax.typing.DTypeLike | None = None,
) -> optax.GradientTransformationExtraArgs:
  r"""Adds λ times any finite impulse response of the gradient.

  .. math::

    \hat g_t = g_t + \lambda \sum_{k=0}^{n-1} h_k \, g_{t-k}

  with :math:`g_t = 0` before the first step. Any low-pass filter of
  ``scipy.signal.firwin`` will do; n taps of 1/n are :func:`grokfast_ma` once n
  gradients are held. A step reads the last n gradients, and the state holds
  them: n arrays for each parameter. One that is None counts as 0. Where the taps
  are equal the moving average is the same at a cost that does not grow with n;
  for long tails there is :func:`grokfast_iir`. On a mesh with automatic axes
  call ``init`` outside of ``jit``, or state where the window goes: inside, its
  zeros are on every device.

  Works on gradients of any shape and of any floating or complex dtype; what
  comes out has the shape and dtype of what went in.

  Args:
    taps: h, the impulse response, (n,) real numbers with n >= 1 and ``taps[0]``
      for the gradient of this step. n is static, the numbers may be traced.
    lamb: λ, how much of the response is added, not negative. A number, a traced
      scalar or a schedule of the step, counted from 0.
    accumulator_dtype: dtype of the sum. None is that of the parameter, but at
      least float32. The window keeps the parameter's own dtype (on a CPU at least
      float32, or float16).

  Returns:
    A gradient transformation, to be chained before the optimizer.

  Raises:
    ValueError: if ``taps`` is no sequence of finite real numbers, or ``lamb`` is
      a number below 0.

  Examples:
    >>> import grokfax, jax.numpy as jnp
    >>> tx = grokfax.grokfast_fir(taps=[0.5, 0.25], lamb=2.0)
    >>> state = tx.init(jnp.zeros([]))
    >>> for g in (1.0, 0.0, 0.0):
    ...   update, state = tx.update(jnp.asarray(g), state)
    ...   print(update)
    2.0
    0.5
    0.0

  References:
    Lee et al., `Grokfast <https://arxiv.org/abs/2405.20233>`_, 2024,
    where the filter may be any low-pass filter.
  """
  taps = _arguments.as_coefficients("taps", taps)
  _arguments.check_not_negative("lamb", lamb)
  _trees.check_float("accumulator_dtype", accumulator_dtype)
  (size,) = taps.shape

  def init_fn(params):
    return GrokfastFirState(
      filter_step=jnp.zeros([], jnp.int32),
      slot=jnp.zeros([], jnp.int32),
      window=_ring.zeros(params, size),
    )

  def update_fn(updates, state, params=None, **extra_args):
    del params, extra_args
    _trees.check_state(state, GrokfastFirState)
    _trees.check_shapes(updates, state.window, size=size)
    step, slot = state.filter_step, state.slot
    tap_of_slot = jnp.asarray(taps)[(slot - jnp.arange(size)) % size]
    amplify = _trees.amplify(at_step(lamb, step))

    def add_response(g, ring):
      dtype = _trees.accumulator_dtype_of(ring.dtype, accumulator_dtype)

      # A loop over the window: a product with it would make copies of it.
      def add(i, response):
        return response + _trees.as_scalar_of(tap_of_slot[i], response) * _ring.read(ring, i, dtype)

      start = jnp.zeros_like(g, dtype=dtype)
      return amplify(g, jax.lax.fori_loop(0, size, add, start, unroll=min(size, _UNROLLED)))

    window = _ring.write(_ring.as_kept(updates, state.window), state.window, slot)
    updates = _trees.emit(add_response, updates, window)
    return updates, GrokfastFirState(optax.safe_increment(step), _ring.after(slot, size), window)

  return optax.GradientTransformationExtraArgs(init_fn, update_fn)
