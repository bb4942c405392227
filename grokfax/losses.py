"""Losses: a cross entropy that no rounding puts an end to."""

import jax
import jax.numpy as jnp

from grokfax import _trees

__all__ = ["stablemax_cross_entropy"]


def _stable(x: jax.Array) -> jax.Array:
  """s(x) = x + 1 from 0 on, and 1/(1 - x) below."""
  positive = x >= 0
  return jnp.where(positive, x + 1, 1 / (1 - jnp.where(positive, 0, x)))


def stablemax_cross_entropy(
  logits: jax.typing.ArrayLike, labels: jax.typing.ArrayLike
) -> jax.Array:
  r"""Cross entropy of StableMax, in place of the softmax's.

  .. math::

    s(x) = \begin{cases} x + 1 & x \geq 0 \\ 1/(1 - x) & x < 0 \end{cases}, \qquad
    \ell = -\log \frac{s(z_y)}{\sum_j s(z_j)}
      = \log\Bigl(1 + \sum_{j \neq y} \frac{s(z_j)}{s(z_y)}\Bigr)

  Once a network has memorised its training data, the softmax of large logits is 1 in
  float32, its loss and gradient are 0, and training stops before it generalizes.
  s grows no faster than its argument, so that this does not happen. The loss is
  computed in the second form, which keeps its digits where it is small: within 1e-6
  of itself for logits up to ±1e4, finite up to ±1e18. Logits in less than float32
  are widened to it.

  Args:
    logits: z, floats of shape (..., classes).
    labels: y, integers of shape (...), from 0 to classes - 1. For others the loss is
      not a number.

  Returns:
    The loss of each example, (...), at least float32; take its mean.

  Raises:
    ValueError: if the logits are no floats, the labels no integers, or their shapes do
      not fit.

  Examples:
    >>> import grokfax, jax.numpy as jnp
    >>> logits = jnp.asarray([[3.0, 0.0, -1.0]])  # s is 4, 1 and 1/2
    >>> print(grokfax.losses.stablemax_cross_entropy(logits, jnp.asarray([0])))
    [0.31845373]

  References:
    Prieto et al., `Grokking at the Edge of Numerical Stability
    <https://arxiv.org/abs/2501.04697>`_, 2025, section 4.
  """
  z, y = jnp.asarray(logits), jnp.asarray(labels)
  if not jnp.issubdtype(z.dtype, jnp.floating):
    raise ValueError(f"logits must be floats; got {z.dtype}.")
  if not jnp.issubdtype(y.dtype, jnp.integer):
    raise ValueError(f"labels must be integers, one for each example; got {y.dtype}.")
  if z.ndim == 0 or y.shape != z.shape[:-1]:
    raise ValueError(
      "logits must have the shape of the labels and an axis of classes after it; "
      f"got {z.shape} and {y.shape}."
    )
  s = _stable(jnp.asarray(z, _trees.accumulator_dtype_of(z, None)))
  is_label = jax.nn.one_hot(y, z.shape[-1], dtype=bool)
  right = jnp.sum(jnp.where(is_label, s, 0), axis=-1, keepdims=True)
  others = jnp.sum(jnp.where(is_label, 0, s / right), axis=-1)
  known = jnp.any(is_label, axis=-1)
  return jnp.where(known, jnp.log1p(others), jnp.nan)
