"""Penalties: the Frobenius norm, and Delayed Compression.

Delayed Compression comes from the `vuciv/grokfast` fork of the Grokfast code:
once the training data is memorised, a penalty on the weights' Frobenius norm is
switched on, and compresses what was learnt.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from grokfax import _arguments, _trees, masks
from grokfax._arguments import at_step
from grokfax.conditions import latched, metric_at_least
from grokfax.gates import gate
from grokfax.masks import Mask


class FrobeniusPenaltyState(NamedTuple):
  """State of :func:`frobenius_penalty`.

  Attributes:
    penalty_step: updates made so far, int32 of shape ().
  """

  penalty_step: jax.typing.ArrayLike


def frobenius_penalty(
  coefficient: optax.ScalarOrSchedule = 0.01, *, mask: Mask = None
) -> optax.GradientTransformationExtraArgs:
  r"""Adds the gradient of a Frobenius penalty, c·Σ‖W‖²_F, to the gradient.

  .. math::

    \hat g = g + 2 c W

  In a chain it stands after the filter (else the filter acts on the penalty too).
  Before the optimizer the penalty is *coupled*: to Adam it is a part of the
  gradient, weight decay of 2c as ``torch.optim.Adam`` has it. Between
  ``optax.scale_by_adam`` and the learning rate it is *decoupled*: weight decay of
  2c as AdamW has it.

  Gradients of any shape and of any floating or complex dtype (to a complex
  gradient W is added, so it is to be that of steepest ascent, the conjugate of
  what ``jax.grad`` gives); what comes out has the shape and dtype of what went in.

  Args:
    coefficient: c, not negative. A number, a traced scalar or a schedule: of the
      step, counted from 0, or inside a :func:`grokfax.gate` of the steps since
      that gate (the innermost) last opened, 0 at the first that is open. Under
      ``optax.inject_hyperparams`` a schedule is always of the step, unless
      "coefficient" is named in ``static_args``.
    mask: what to penalise: None for everything, a tree of bools with the
      parameters' structure (or a prefix of it), or a function from the
      parameters to one, such as :func:`not_bias` or :func:`ndim_at_least`.

  Returns:
    A gradient transformation; its update needs the parameters.

  Raises:
    ValueError: if ``coefficient`` is a number below 0 or ``mask`` a bare bool; in
      ``update``, if the parameters are not given, or the mask leaves one out.

  Examples:
    >>> import grokfax, jax.numpy as jnp
    >>> tx = grokfax.frobenius_penalty(0.5)
    >>> params = jnp.asarray([1.0, 2.0])
    >>> updates, state = tx.update(jnp.zeros(2), tx.init(params), params)
    >>> print(updates)
    [1. 2.]

    Decoupled from Adam:

    >>> import optax
    >>> tx = optax.chain(
    ...   grokfax.grokfast_ema(),
    ...   optax.scale_by_adam(),
    ...   grokfax.frobenius_penalty(0.5),
    ...   optax.scale_by_learning_rate(1e-3),
    ... )

  References:
    The loss of Delayed Compression in https://github.com/vuciv/grokfast.
  """
  _arguments.check_not_negative("coefficient", coefficient)
  _arguments.check_mask(mask)

  def init_fn(params):
    def check(path, w, penalised):
      if penalised:
        _trees.check_array(path, w)

    jax.tree_util.tree_map_with_path(check, params, masks.spread(mask, params))
    return FrobeniusPenaltyState(jnp.zeros([], jnp.int32))

  def update_fn(updates, state, params=None, *, steps_open=None, **extra_args):
    del extra_args
    if params is None:
      raise ValueError(
        "a Frobenius penalty needs the parameters: call update(grads, state, params). A trainer "
        "that passes none takes the filters alone, such as grokfast_ema() before optax.adam."
      )
    c = at_step(coefficient, state.penalty_step if steps_open is None else steps_open)

    def penalise(g, w, penalised):
      if not penalised:
        return jnp.asarray(g)
      g, w = _trees.promoted(g, jnp.asarray(w, _trees.accumulator_dtype_of(w, None)))
      return g + _trees.as_scalar_of(2 * c, w) * w

    updates = _trees.emit(penalise, updates, params, masks.spread(mask, params))
    return updates, FrobeniusPenaltyState(optax.safe_increment(state.penalty_step))

  return optax.GradientTransformationExtraArgs(init_fn, update_fn)


def delayed_compression(
  coefficient: optax.ScalarOrSchedule = 0.01,
  threshold: optax.ScalarOrSchedule = 0.99,
  *,
  metric: str = "train_accuracy",
  latch: bool = False,
  mask: Mask = None,
) -> optax.GradientTransformationExtraArgs:
  """A Frobenius penalty that acts while the training accuracy is high.

  It is ``gate(frobenius_penalty(coefficient), metric_at_least(metric, threshold))``.
  The metric is the batch's own training accuracy, from the same forward pass,
  before the update: ``update(grads, state, params, train_accuracy=accuracy)``.

  Args:
    coefficient: c, not negative. A number, a traced scalar or a schedule of the
      steps since the penalty was last switched on, 0 at the first; as to
      ``optax.inject_hyperparams`` see :func:`frobenius_penalty`.
    threshold: the metric from which the penalty acts. A number, a traced scalar
      or a schedule of the step.
    metric: the metric's keyword in ``update``.
    latch: if True, once on is always on; if False (the fork), asked at each step.
    mask: what to penalise, None for everything; the fork's choice is
      :func:`not_bias`.

  Returns:
    A gradient transformation, to be chained before the optimizer.

  Raises:
    ValueError: if ``coefficient`` is a number below 0 or ``threshold`` is not a
      number; in ``update``, if the parameters or the metric are missing.

  Examples:
    >>> import grokfax, jax.numpy as jnp, optax
    >>> tx = optax.chain(
    ...   grokfax.delayed_compression(0.01, 0.99, mask=grokfax.not_bias), optax.adam(1e-3)
    ... )
    >>> params = {"kernel": jnp.ones((2, 3)), "bias": jnp.ones(3)}
    >>> state = tx.init(params)
    >>> updates, state = tx.update(params, state, params, train_accuracy=1.0)

    A penalty that grows over the first 100 steps after memorisation:

    >>> growing = optax.linear_schedule(0.0, 0.01, 100)
    >>> tx = grokfax.delayed_compression(growing, latch=True)

  References:
    https://github.com/vuciv/grokfast, where it is on for accuracies of .99 and above.
  """
  _arguments.check_choice("latch", latch, (True, False))
  when = metric_at_least(metric, threshold)
  return gate(frobenius_penalty(coefficient, mask=mask), latched(when) if latch else when)
