"""The norm of the gradient, clipped to the mean of the norms before."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from grokfax import _arguments, _trees
from grokfax._arguments import at_step
from grokfax.geometry._norm import norms_of


class MeanNormState(NamedTuple):
  """State of :func:`clip_by_mean_norm`.

  Attributes:
    clip_step: updates made so far, int32 of shape ().
    mean_norm: decayed mean of the gradients' norms, from 0, so too small in the
      first steps; of shape (), at least float32.
  """

  clip_step: jax.typing.ArrayLike
  mean_norm: jax.typing.ArrayLike


def clip_by_mean_norm(
  ratio: optax.ScalarOrSchedule = 1.0, decay: jax.typing.ArrayLike = 0.9
) -> optax.GradientTransformationExtraArgs:
  r"""Scales a gradient down where its norm exceeds a multiple of the mean norm so far.

  .. math::

    \hat g_t = \min\Bigl(1, \rho \, \frac{\bar n_{t-1}}{\lVert g_t \rVert}\Bigr) g_t,
    \qquad \bar n_t = \frac{1 - \beta}{1 - \beta^{t+1}}
      \sum_{i \le t} \beta^{t-i} \lVert g_i \rVert

  The norm is that of all arrays together. It is for batches that are not alike:
  where noise is most of a gradient, a batch a tenth as large has one √10 times as
  long, and would weigh most in every average after it, momentum and filters too.
  The last batch of an epoch often is such a one. It stands before these. Unlike
  ``optax.clip_by_global_norm`` it needs no norm that is known beforehand.

  Args:
    ratio: ρ, above 0; a large one never clips. A number, a traced scalar or a
      schedule of the step, counted from 0.
    decay: β of the mean, in [0, 1); a number or a traced scalar. The mean is of the
      norms as they came, not as they were clipped, so that it follows gradients
      that grow.

  Returns:
    A gradient transformation. While all before it were 0 a gradient passes. A norm
    that is not finite does not enter the mean; that step's update
    ``optax.apply_if_finite`` leaves out. Works on gradients of any floating or complex
    dtype; what comes out has the dtype of what went in.

  Raises:
    ValueError: if ``ratio`` is a number that is not above 0, or ``decay`` one out of
      its range.

  Examples:
    >>> import grokfax, jax.numpy as jnp
    >>> tx = grokfax.clip_by_mean_norm()
    >>> w = jnp.zeros(2)
    >>> state = tx.init(w)
    >>> for g in ([3.0, 4.0], [30.0, 40.0], [0.0, 1.0]):
    ...   update, state = tx.update(jnp.asarray(g), state)
    ...   print(update)
    [3. 4.]
    [3. 4.]
    [0. 1.]

  References:
    By arrays, and with a mean of what was clipped: Wang et al., `AdaGC
    <https://arxiv.org/abs/2502.11034>`_, 2025.
  """
  _arguments.check_scalar("ratio", ratio, "a finite number > 0", lambda r: r > 0)
  _arguments.check_scalar("decay", decay, "in [0, 1)", lambda d: 0 <= d < 1, schedule=False)

  def init_fn(params):
    jax.tree_util.tree_map_with_path(_trees.check_array, params)
    dtype = _trees.real_dtype(jax.tree.leaves(params))
    return MeanNormState(jnp.zeros([], jnp.int32), jnp.zeros([], dtype))

  def update_fn(updates, state, params=None, **extra_args):
    del params, extra_args
    _trees.check_state(state, MeanNormState)
    step, dtype = state.clip_step, jnp.result_type(state.mean_norm)
    there = [g for g in jax.tree.leaves(updates) if not _trees.is_missing(g)]
    norm = norms_of(there, True, dtype)
    keep = jnp.asarray(decay, dtype)
    mean = state.mean_norm / jnp.where(step > 0, 1 - keep**step, 1)  # of those before
    limit = jnp.asarray(at_step(ratio, step), dtype) * mean
    clips = (mean > 0) & (norm > limit)
    factor = jnp.where(clips, limit / jnp.where(clips, norm, 1), 1)

    def scale(g):
      wide = jnp.asarray(g, _trees.accumulator_dtype_of(g, None))
      return _trees.as_scalar_of(factor, wide) * wide

    counted = jnp.where(jnp.isfinite(norm), norm, mean)
    next_mean = keep * state.mean_norm + (1 - keep) * counted
    return _trees.emit(scale, updates), MeanNormState(optax.safe_increment(step), next_mean)

  return optax.GradientTransformationExtraArgs(init_fn, update_fn)
