"""Any rational filter, by its infinite impulse response."""

from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from grokfax import _arguments, _trees
from grokfax._arguments import at_step


class GrokfastIirState(NamedTuple):
  """State of :func:`grokfast_iir`.

  Attributes:
    filter_step: updates made so far, int32 of shape ().
    delays: z, a tuple with one tree for each order of the filter, shaped like
      the parameters, in the accumulator's dtype.
  """

  filter_step: jax.typing.ArrayLike
  delays: tuple[Any, ...]


def _check_stable(a: np.ndarray, dtype: np.dtype, advice: str = "") -> None:
  """Refuses poles on or outside the unit circle, where rounding to `dtype` may have moved them."""
  poles = np.roots(a.astype(dtype).astype(np.float64))
  largest = float(np.max(np.abs(poles), initial=0.0))
  if largest >= 1:
    raise ValueError(
      f"the filter must be stable, with all poles (roots of a) inside the unit circle; in {dtype} "
      f"the largest has absolute value {largest:.6g}.{advice}"
    )


def _normalized(b: Any, a: Any) -> tuple[Any, Any]:
  """Both of one length, the filter's order plus 1, with a₀ = 1."""
  b, a = _arguments.as_coefficients("b", b), _arguments.as_coefficients("a", a)
  if isinstance(a, np.ndarray):
    if a[0] == 0:
      raise ValueError(f"a[0] must not be 0, for all is divided by it; got {a.tolist()}.")
    _check_stable(a, np.dtype(np.float64))

  length = max(b.size, a.size, 2)

  def padded(c):
    xp = np if isinstance(c, np.ndarray) else jnp
    return xp.pad(c, (0, length - c.size))

  return padded(b / a[0]), padded(a / a[0])


def grokfast_iir(
  b: Any,
  a: Any,
  lamb: optax.ScalarOrSchedule = 1.0,
  *,
  initial: Literal["zero", "first_gradient"] = "zero",
  accumulator_dtype: jax.typing.DTypeLike | None = None,
) -> optax.GradientTransformationExtraArgs:
  r"""Adds λ times the gradient after any rational filter, such as Butterworth's.

  .. math::

    a_0 y_t = \sum_k b_k \, g_{t-k} - \sum_{k \ge 1} a_k \, y_{t-k}, \qquad
    \hat g_t = g_t + \lambda y_t

  ``b`` and ``a`` are those of ``scipy.signal``: ``scipy.signal.butter(2, 0.01)``
  gives a pair, and y is ``scipy.signal.lfilter(b, a, g)``. Started from zero, it
  is a linear time-invariant filter; started from the first gradient, it is as if
  that gradient had been there for ever, and ``b = [1 - α], a = [1, -α]`` is
  :func:`grokfast_ema`.

  It computes the direct form II transposed. The state holds one array for each
  parameter and order, and one at least. A filter of high order and low cutoff
  loses digits in this form, for its poles lie close to each other and to 1: in
  float32 Butterworth's of order 2 with a cutoff of 0.01 is right to four digits,
  that of order 4 to none. A gradient that is not finite stays in the state for
  good.

  Works on gradients of any shape and of any floating or complex dtype; what
  comes out has the shape and dtype of what went in.

  Args:
    b: numerator, at least one finite real number. Its length is static, the
      numbers may be traced.
    a: denominator, likewise, with ``a[0]`` not 0 and all poles inside the unit
      circle (unless the numbers are traced, that is checked, and once more in
      ``init`` after rounding to the accumulator's dtype).
    lamb: λ, how much of the filtered gradient is added, not negative. A number,
      a traced scalar or a schedule of the step, counted from 0.
    initial: "zero", or "first_gradient" for ``scipy.signal.lfilter_zi`` times it.
    accumulator_dtype: dtype of the delays. None is that of the parameter, but at
      least float32.

  Returns:
    A gradient transformation, to be chained before the optimizer.

  Raises:
    ValueError: if ``b`` or ``a`` is no sequence of finite real numbers, the
      filter is unstable (in ``init`` too), ``initial`` is unknown, or ``lamb`` is
      a number below 0.

  Examples:
    >>> import grokfax, jax.numpy as jnp
    >>> tx = grokfax.grokfast_iir(b=[0.5], a=[1.0, -0.5], lamb=2.0)
    >>> state = tx.init(jnp.zeros([]))
    >>> for g in (1.0, 0.0, 0.0):
    ...   update, state = tx.update(jnp.asarray(g), state)
    ...   print(update)
    2.0
    0.5
    0.25

  References:
    Lee et al., `Grokfast <https://arxiv.org/abs/2405.20233>`_, 2024,
    where the filter may be any low-pass filter. Oppenheim and Schafer,
    *Discrete-Time Signal Processing*, for the form.
  """
  b, a = _normalized(b, a)
  _arguments.check_not_negative("lamb", lamb)
  _arguments.check_choice("initial", initial, ("zero", "first_gradient"))
  _trees.check_float("accumulator_dtype", accumulator_dtype)
  order = b.size - 1
  # The delays that a constant 1 settles to: y is the gain at frequency 0 then.
  settled = (b[1:] - a[1:] * (b.sum() / a.sum()))[::-1].cumsum()[::-1]

  def init_fn(params):
    delays = tuple(_trees.accumulators_like(params, accumulator_dtype) for _ in range(order))
    if isinstance(a, np.ndarray):
      leaves = jax.tree.leaves(params)
      for dtype in {_trees.accumulator_dtype_of(leaf, accumulator_dtype) for leaf in leaves}:
        advice = " A lower order, a higher cutoff or a wider accumulator_dtype may help."
        _check_stable(a, jnp.finfo(dtype).dtype, advice)
    return GrokfastIirState(
      filter_step=jnp.zeros([], jnp.int32),
      delays=delays,
    )

  def update_fn(updates, state, params=None, **extra_args):
    del params, extra_args
    _trees.check_state(state, GrokfastIirState)
    _trees.check_order("delays", len(state.delays), order)
    for z in state.delays:
      _trees.check_shapes(updates, z)
    step = state.filter_step
    amplify = _trees.amplify(at_step(lamb, step))

    def signals(g, *z):
      """The gradient, y and the delays before this step, all in one dtype."""
      g, *z = _trees.promoted(g, *z)
      if initial == "first_gradient":
        z = [
          jnp.where(step == 0, _trees.as_scalar_of(c, g) * g, zi)
          for c, zi in zip(settled, z, strict=True)
        ]
      return g, _trees.as_scalar_of(b[0], g) * g + z[0], [*z, jnp.zeros_like(g)]

    def add_filtered(g, *z):
      _, y, _ = signals(g, *z)
      return amplify(g, y)

    def delay(i):
      def rule(g, own, *z):
        del own
        g, y, z = signals(g, *z)
        b_i, a_i = _trees.as_scalar_of(b[i + 1], g), _trees.as_scalar_of(a[i + 1], g)
        return b_i * g + z[i + 1] - a_i * y

      return rule

    delays = tuple(
      _trees.advance(delay(i), updates, state.delays[i], *state.delays) for i in range(order)
    )
    updates = _trees.emit(add_filtered, updates, *state.delays)
    return updates, GrokfastIirState(optax.safe_increment(step), delays)

  return optax.GradientTransformationExtraArgs(init_fn, update_fn)
