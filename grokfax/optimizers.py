"""Optimizers with a name: a filter or a penalty before a well-known optimizer.

Each is a chain of a few lines, with the settings of its source as defaults. Other
combinations are as short: ``optax.chain(grokfax.grokfast_ma(50), optax.lion(1e-4))``.
"""

from typing import Any

import jax
import optax

from grokfax.filters import grokfast_ema, grokfast_ma
from grokfax.masks import Mask, as_function, not_bias
from grokfax.penalties import delayed_compression


def adam_l2(
  learning_rate: optax.ScalarOrSchedule,
  b1: jax.typing.ArrayLike = 0.9,
  b2: jax.typing.ArrayLike = 0.98,
  eps: jax.typing.ArrayLike = 1e-8,
  *,
  weight_decay: optax.ScalarOrSchedule = 0.0,
  mask: Mask = None,
  mu_dtype: Any = None,
) -> optax.GradientTransformationExtraArgs:
  """Adam with coupled weight decay: the paper's baseline, and the end of its chains.

  The decay is added to the gradient before Adam (L2 regularization), as
  ``torch.optim.Adam(weight_decay=...)`` does it; AdamW's comes after.

  Args:
    learning_rate: a number, a traced scalar or a schedule of the step.
    b1: decay of Adam's first moment.
    b2: decay of Adam's second moment.
    eps: added to the denominator, outside the square root.
    weight_decay: coupled, so not multiplied by the learning rate; a number, a
      traced scalar or a schedule of the step.
    mask: what to decay: None for everything, a tree of bools, or a function from
      the parameters to one.
    mu_dtype: dtype of Adam's first moment; None for that of the parameters.

  Returns:
    An optimizer for parameters of any floating dtype.

  Examples:
    >>> import grokfax, jax.numpy as jnp
    >>> tx = grokfax.adam_l2(1e-3, weight_decay=0.01)
    >>> params = jnp.ones(3)
    >>> updates, state = tx.update(jnp.ones(3), tx.init(params), params)

  References:
    Kingma and Ba, `Adam <https://arxiv.org/abs/1412.6980>`_, 2014.
  """
  none = isinstance(weight_decay, (int, float)) and weight_decay == 0
  return optax.chain(
    optax.identity() if none else optax.add_decayed_weights(weight_decay, as_function(mask)),
    optax.adam(learning_rate, b1, b2, eps, mu_dtype=mu_dtype),
  )


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

  The decay is added to the *filtered* gradient. The defaults are the paper's for
  modular arithmetic. Do not divide the learning rate by 1 + λ: Adam does not see
  the scale of its gradient.

  Args:
    learning_rate: a number, a traced scalar or a schedule of the step.
    alpha: decay of the filter's average, in [0, 1); see :func:`grokfast_ema`.
    lamb: how much of the average is added, not negative.
    b1: decay of Adam's first moment; this and what follows as in :func:`adam_l2`.
    b2: decay of Adam's second moment.
    eps: added to the denominator, outside the square root.
    weight_decay: coupled.
    mask: what to decay; None for everything.
    mu_dtype: dtype of Adam's first moment.
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
    adam_l2(learning_rate, b1, b2, eps, weight_decay=weight_decay, mask=mask, mu_dtype=mu_dtype),
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

  On modular arithmetic with weight decay 1 it was later than AdamW alone; the MA
  filter before AdamW was not, and stayed. So compare with both.

  Args:
    learning_rate: a number, a traced scalar or a schedule of the step.
    alpha: decay of the filter's average, in [0, 1); see :func:`grokfast_ema`.
    lamb: how much of the average is added, not negative.
    b1: decay of Adam's first moment.
    b2: decay of Adam's second moment.
    eps: added to the denominator, outside the square root.
    weight_decay: decoupled, multiplied by the learning rate. It wants to be large:
      with the filter the paper raises it up to two-hundredfold.
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
      learning_rate,
      b1,
      b2,
      eps,
      mu_dtype=mu_dtype,
      weight_decay=weight_decay,
      mask=as_function(mask),
    ),
  )


def grokfast_ma_adam(
  learning_rate: optax.ScalarOrSchedule,
  window_size: int = 100,
  lamb: optax.ScalarOrSchedule = 5.0,
  *,
  b1: jax.typing.ArrayLike = 0.9,
  b2: jax.typing.ArrayLike = 0.98,
  eps: jax.typing.ArrayLike = 1e-8,
  weight_decay: optax.ScalarOrSchedule = 0.01,
  mask: Mask = None,
  mu_dtype: Any = None,
  accumulator_dtype: jax.typing.DTypeLike | None = None,
) -> optax.GradientTransformationExtraArgs:
  """Grokfast-MA before Adam with coupled weight decay, as the paper ran it.

  ``lamb=start_at(500, 5.0)`` with ``weight_decay=0.0`` is its two-stage run.

  Args:
    learning_rate: a number, a traced scalar or a schedule of the step.
    window_size: how many gradients are averaged, a Python int >= 1; see
      :func:`grokfast_ma`. Under ``optax.inject_hyperparams`` name it in
      ``static_args``.
    lamb: how much of the average is added, not negative.
    b1: decay of Adam's first moment; this and what follows as in :func:`adam_l2`.
    b2: decay of Adam's second moment.
    eps: added to the denominator, outside the square root.
    weight_decay: coupled.
    mask: what to decay; None for everything.
    mu_dtype: dtype of Adam's first moment.
    accumulator_dtype: dtype of the filter's sums; None for at least float32.

  Returns:
    An optimizer for parameters of any floating dtype.

  Raises:
    ValueError: if ``window_size`` is no int >= 1, or ``lamb`` a number below 0.

  Examples:
    >>> import grokfax, jax.numpy as jnp
    >>> tx = grokfax.grokfast_ma_adam(1e-3, window_size=20)
    >>> params = jnp.ones(3)
    >>> updates, state = tx.update(jnp.ones(3), tx.init(params), params)

  References:
    Lee et al., `Grokfast <https://arxiv.org/abs/2405.20233>`_, 2024.
  """
  return optax.chain(
    grokfast_ma(window_size, lamb, accumulator_dtype=accumulator_dtype),
    adam_l2(learning_rate, b1, b2, eps, weight_decay=weight_decay, mask=mask, mu_dtype=mu_dtype),
  )


def delayed_compression_adam(
  learning_rate: optax.ScalarOrSchedule,
  coefficient: optax.ScalarOrSchedule = 0.01,
  threshold: optax.ScalarOrSchedule = 0.99,
  *,
  metric: str = "train_accuracy",
  latch: bool = False,
  mask: Mask = not_bias,
  b1: jax.typing.ArrayLike = 0.9,
  b2: jax.typing.ArrayLike = 0.98,
  eps: jax.typing.ArrayLike = 1e-8,
  mu_dtype: Any = None,
) -> optax.GradientTransformationExtraArgs:
  """Delayed Compression before Adam, without other weight decay, as the fork ran it.

  Args:
    learning_rate: a number, a traced scalar or a schedule of the step.
    coefficient: of the penalty; see :func:`delayed_compression`.
    threshold: the metric from which the penalty acts.
    metric: the metric's keyword in ``update``.
    latch: if True, once on is always on.
    mask: what to penalise. Under ``optax.inject_hyperparams`` name it in
      ``static_args``.
    b1: decay of Adam's first moment.
    b2: decay of Adam's second moment.
    eps: added to the denominator, outside the square root.
    mu_dtype: dtype of Adam's first moment; None for that of the parameters.

  Returns:
    An optimizer for parameters of any floating dtype, with the metric as an
    extra argument of its update.

  Raises:
    ValueError: as :func:`delayed_compression`.

  Examples:
    >>> import grokfax, jax.numpy as jnp
    >>> tx = grokfax.delayed_compression_adam(1e-3)
    >>> params = {"kernel": jnp.ones((2, 3)), "bias": jnp.ones(3)}
    >>> updates, state = tx.update(params, tx.init(params), params, train_accuracy=1.0)

  References:
    https://github.com/vuciv/grokfast.
  """
  return optax.chain(
    delayed_compression(coefficient, threshold, metric=metric, latch=latch, mask=mask),
    optax.adam(learning_rate, b1, b2, eps, mu_dtype=mu_dtype),
  )


def grokfast_delayed_compression_adamw(
  learning_rate: optax.ScalarOrSchedule,
  alpha: optax.ScalarOrSchedule = 0.98,
  lamb: optax.ScalarOrSchedule = 2.0,
  coefficient: optax.ScalarOrSchedule = 0.01,
  threshold: optax.ScalarOrSchedule = 0.99,
  *,
  metric: str = "train_accuracy",
  latch: bool = False,
  mask: Mask = not_bias,
  b1: jax.typing.ArrayLike = 0.9,
  b2: jax.typing.ArrayLike = 0.98,
  eps: jax.typing.ArrayLike = 1e-8,
  weight_decay: optax.ScalarOrSchedule = 0.005,
  mu_dtype: Any = None,
  accumulator_dtype: jax.typing.DTypeLike | None = None,
) -> optax.GradientTransformationExtraArgs:
  """Grokfast-EMA, then Delayed Compression, then AdamW: filter, penalty, optimizer.

  Args:
    learning_rate: a number, a traced scalar or a schedule of the step.
    alpha: decay of the filter's average, in [0, 1); see :func:`grokfast_ema`.
    lamb: how much of the average is added, not negative.
    coefficient: of the penalty; see :func:`delayed_compression`.
    threshold: the metric from which the penalty acts.
    metric: the metric's keyword in ``update``.
    latch: if True, once on is always on.
    mask: what to penalise; the weight decay is on everything. Under
      ``optax.inject_hyperparams`` name it in ``static_args``.
    b1: decay of Adam's first moment.
    b2: decay of Adam's second moment.
    eps: added to the denominator, outside the square root.
    weight_decay: decoupled, multiplied by the learning rate.
    mu_dtype: dtype of Adam's first moment; None for that of the parameters.
    accumulator_dtype: dtype of the filter's average; None for at least float32.

  Returns:
    An optimizer for parameters of any floating dtype, with the metric as an
    extra argument of its update.

  Raises:
    ValueError: as :func:`grokfast_ema` and :func:`delayed_compression`.

  Examples:
    >>> import grokfax, jax.numpy as jnp
    >>> tx = grokfax.grokfast_delayed_compression_adamw(1e-3)
    >>> params = {"kernel": jnp.ones((2, 3)), "bias": jnp.ones(3)}
    >>> updates, state = tx.update(params, tx.init(params), params, train_accuracy=1.0)

  References:
    Lee et al., `Grokfast <https://arxiv.org/abs/2405.20233>`_, 2024;
    https://github.com/vuciv/grokfast.
  """
  return optax.chain(
    grokfast_ema(alpha, lamb, accumulator_dtype=accumulator_dtype),
    delayed_compression(coefficient, threshold, metric=metric, latch=latch, mask=mask),
    optax.adamw(learning_rate, b1, b2, eps, mu_dtype=mu_dtype, weight_decay=weight_decay),
  )
