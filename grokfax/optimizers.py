"""Optimizers with a name: the filter before a well-known optimizer."""

from typing import Any

import jax
import optax

from grokfax.filters import grokfast_ema
from grokfax.penalties import Mask


def grokfast_adam(
  learning_rate: optax.ScalarOrSchedule,
  alpha: optax.ScalarOrSchedule = 0.98,
  lamb: optax.ScalarOrSchedule = 2.0,
  *,
  b1: jax.typing.ArrayLike = 0.9,
  b2: jax.typing.ArrayLike = 0.98,
  eps: jax.typing.ArrayLike = 1e-8,
  weight_decay: optax.ScalarOrSchedule = 0.005,
  mask: Mask = None,
  mu_dtype: Any = None,
  accumulator_dtype: jax.typing.DTypeLike | None = None,
) -> optax.GradientTransformationExtraArgs:
  """Grokfast-EMA before Adam with coupled weight decay, as the paper ran it.

  The chain is :func:`grokfast_ema`, then weight decay added to the *filtered*
  gradient (L2 regularisation, as ``torch.optim.Adam(weight_decay=...)`` does it),
  then Adam. The defaults are the paper's for modular arithmetic.

  Args:
    learning_rate: a number, a traced scalar or a schedule of the step.
    alpha: decay of the filter's average, in [0, 1); see :func:`grokfast_ema`.
    lamb: how much of the average is added, not negative.
    b1: decay of Adam's first moment.
    b2: decay of Adam's second moment.
    eps: added to the denominator, outside the square root.
    weight_decay: coupled weight decay, not multiplied by the learning rate; a number,
      a traced scalar or a schedule of the step.
    mask: what to decay; None for everything.
    mu_dtype: dtype of Adam's first moment; None for that of the parameters.
    accumulator_dtype: dtype of the filter's average; None for at least float32.

  Returns:
    An optimizer for parameters of any floating dtype.

  Raises:
    ValueError: if ``alpha`` or ``lamb`` is a number out of its range.

  Examples:
    >>> import grokfax, jax.numpy as jnp
    >>> tx = grokfax.grokfast_adam(1e-3)
    >>> params = jnp.ones(3)
    >>> updates, state = tx.update(jnp.ones(3), tx.init(params), params)

  References:
    Lee et al., `Grokfast <https://arxiv.org/abs/2405.20233>`_, 2024.
  """
  return optax.chain(
    grokfast_ema(alpha, lamb, accumulator_dtype=accumulator_dtype),
    optax.add_decayed_weights(weight_decay, mask),
    optax.adam(learning_rate, b1, b2, eps, mu_dtype=mu_dtype),
  )


def grokfast_adamw(
  learning_rate: optax.ScalarOrSchedule,
  alpha: optax.ScalarOrSchedule = 0.98,
  lamb: optax.ScalarOrSchedule = 2.0,
  *,
  b1: jax.typing.ArrayLike = 0.9,
  b2: jax.typing.ArrayLike = 0.999,
  eps: jax.typing.ArrayLike = 1e-8,
  weight_decay: optax.ScalarOrSchedule = 0.01,
  mask: Mask = None,
  mu_dtype: Any = None,
  accumulator_dtype: jax.typing.DTypeLike | None = None,
) -> optax.GradientTransformationExtraArgs:
  """Grokfast-EMA before AdamW, whose weight decay is decoupled.

  Args:
    learning_rate: a number, a traced scalar or a schedule of the step.
    alpha: decay of the filter's average, in [0, 1); see :func:`grokfast_ema`.
    lamb: how much of the average is added, not negative.
    b1: decay of Adam's first moment.
    b2: decay of Adam's second moment.
    eps: added to the denominator, outside the square root.
    weight_decay: decoupled weight decay, multiplied by the learning rate. It
      wants to be large: the paper raises it two- to two-hundredfold with the filter.
    mask: what to decay; None for everything.
    mu_dtype: dtype of Adam's first moment; None for that of the parameters.
    accumulator_dtype: dtype of the filter's average; None for at least float32.

  Returns:
    An optimizer for parameters of any floating dtype.

  Raises:
    ValueError: if ``alpha`` or ``lamb`` is a number out of its range.

  Examples:
    >>> import grokfax, jax.numpy as jnp
    >>> tx = grokfax.grokfast_adamw(1e-3, weight_decay=1.0)
    >>> params = jnp.ones(3)
    >>> updates, state = tx.update(jnp.ones(3), tx.init(params), params)

  References:
    Lee et al., `Grokfast <https://arxiv.org/abs/2405.20233>`_, 2024.
  """
  return optax.chain(
    grokfast_ema(alpha, lamb, accumulator_dtype=accumulator_dtype),
    optax.adamw(
      learning_rate, b1, b2, eps, mu_dtype=mu_dtype, weight_decay=weight_decay, mask=mask
    ),
  )
