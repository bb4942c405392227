"""Gates: a transformation that acts while a condition holds."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from grokfax import _arguments, _trees
from grokfax._arguments import at_step
from grokfax.conditions import Condition, answer, with_state


class GateState(NamedTuple):
  """State of :func:`gate`.

  Attributes:
    gate_step: updates made so far, int32 of shape ().
    steps_open: how many in a row up to now found the gate open, int32 of shape ().
    condition_state: what the condition remembers.
    inner_state: the inner transformation's state, which is updated while the gate is closed too.
  """

  gate_step: jax.typing.ArrayLike
  steps_open: jax.typing.ArrayLike
  condition_state: Any
  inner_state: optax.OptState


def _varies_over(array: Any) -> frozenset[str]:
  """In a `shard_map` that keeps account of it: the axes of devices over which a value differs."""
  kind = jax.typeof(array)
  manual = getattr(kind, "manual_axis_type", None)  # before jax 0.9: vma
  return manual.varying if manual else getattr(kind, "vma", frozenset())


def _check_same_everywhere(s: jax.Array, updates: optax.Updates) -> None:
  """Raises a `ValueError` where an answer differs by device, and the gradient does not."""
  leaves = jax.tree.leaves(updates)
  axes = _varies_over(s) - frozenset().union(*map(_varies_over, leaves))
  if leaves and axes:
    (name, *_) = sorted(axes)
    raise ValueError(
      f"a condition's answer differs by device, over the axis {name!r}, and the gradient does not: "
      f"average the metric as well, jax.lax.pmean(metric, {name!r})."
    )


def gate(
  inner: optax.GradientTransformation, when: Condition
) -> optax.GradientTransformationExtraArgs:
  r"""Lets a transformation act while a condition holds.

  .. math::

    \hat u = u + s \cdot (\mathrm{inner}(u) - u)

  with s = 1 while the gate is open, 0 while it is closed, and between them where
  the condition is :func:`ramped`. Closed, it is the identity, whatever `inner`
  gives; the inner state is updated all the same.

  So a gate stands before the learning rate. It must not hold a whole optimizer:
  closed, it would hand the gradient itself to ``optax.apply_updates``, which adds
  it, and the loss would rise. What holds training still while a condition holds is
  a gate that is last in the chain: ``gate(optax.set_to_zero(), when)``.

  Under ``vmap`` each member has a gate of its own. Within ``optax.MultiSteps`` a
  step is one of the accumulated updates, and the metric that counts is that of
  the last micro-batch; hand in a mean over all of them if that is what you want.
  In ``shard_map`` and ``pmap`` average the metric over the devices, as the
  gradient: else the gate opens on some.

  The inner transformation gets all extra arguments of ``update`` under their own
  names; the condition those that are not called as its own are. One is the gate's,
  and no user's: ``steps_open``, for how many steps in a row the gate has been open
  before this one, int32 of shape (). With it :func:`grokfax.frobenius_penalty`
  counts its schedule from the opening.

  Args:
    inner: the transformation, from updates to updates of the same shapes.
    when: the condition, ``when(step, **extra_args)`` with the step counted from
      0, or a :class:`StatefulCondition`. Its signal is one of training, or of a
      third split: never of the data that scores.

  Returns:
    A gradient transformation that takes the condition's metrics as extra arguments.

  Raises:
    ValueError: if ``inner`` is no transformation or ``when`` no condition; in
      ``update``, if a metric is missing, the answer is no scalar, or differs by
      device where the gradient does not.

  Examples:
    Grokfast from the step on at which the batch is memorised:

    >>> import grokfax, jax.numpy as jnp, optax
    >>> memorised = grokfax.latched(grokfax.metric_at_least("train_accuracy", 0.99))
    >>> tx = optax.chain(
    ...   grokfax.gate(grokfax.grokfast_ma(), memorised), optax.adamw(1e-3, weight_decay=1.0)
    ... )
    >>> params = jnp.ones(3)
    >>> state = tx.init(params)
    >>> updates, state = tx.update(jnp.ones(3), state, params, train_accuracy=0.5)

    Until a third split is solved, and no longer:

    >>> solved = grokfax.metric_at_least("probe_accuracy", 0.95)
    >>> tx = grokfax.gate(grokfax.grokfast_ema(), grokfax.until(solved))

    The paper's two-stage run, which is ``grokfast_ma(100, start_at(500, 5.0))`` too:

    >>> tx = grokfax.gate(grokfax.grokfast_ma(100, 5.0), grokfax.from_step(500))
  """
  _arguments.check_transformation("inner", inner)
  when = with_state(when)
  inner = optax.with_extra_args_support(inner)

  def init_fn(params):
    return GateState(
      gate_step=jnp.zeros([], jnp.int32),
      steps_open=jnp.zeros([], jnp.int32),
      condition_state=when.init(),
      inner_state=inner.init(params),
    )

  def update_fn(updates, state, params=None, **extra_args):
    s, condition_state = answer(when, state.condition_state, state.gate_step, **extra_args)
    _check_same_everywhere(s, updates)
    steps_open = state.steps_open  # 0 while closed, so at the first step that is open too
    inside = {**extra_args, "steps_open": steps_open}
    acted, inner_state = inner.update(updates, state.inner_state, params, **inside)

    def mix(u, v):
      # Selecting at both ends keeps them exact, and a closed gate free of inner's NaNs.
      wide = jnp.zeros([], _trees.accumulator_dtype_of(u, None))
      u, v, _ = _trees.promoted(u, v, wide)
      between = u + _trees.as_scalar_of(s, u) * (v - u)
      return jnp.where(s > 0, jnp.where(s >= 1, v, between), u)

    return _trees.emit(mix, updates, acted), GateState(
      gate_step=optax.safe_increment(state.gate_step),
      steps_open=jnp.where(s > 0, optax.safe_increment(steps_open), 0),
      condition_state=condition_state,
      inner_state=inner_state,
    )

  return optax.GradientTransformationExtraArgs(init_fn, update_fn)


def start_at(step: jax.typing.ArrayLike, value: optax.ScalarOrSchedule) -> optax.Schedule:
  """A schedule: 0 before a step, a value from it on.

  ``lamb=start_at(500, 5.0)`` is the paper's two-stage run: the filter fills from
  the start and acts from step 500.

  Args:
    step: the first step with the value, counted from 0; not negative.
    value: a number, a traced scalar or a schedule of the step.

  Returns:
    A function from the step, an int32 scalar, to the value.

  Raises:
    ValueError: if ``step`` is a number below 0, or ``value`` is not a number.

  Examples:
    >>> import grokfax
    >>> lamb = grokfax.start_at(500, 5.0)
    >>> float(lamb(499)), float(lamb(500))
    (0.0, 5.0)
  """
  _arguments.check_not_negative("step", step, schedule=False)
  _arguments.check_scalar("value", value)
  return lambda count: jnp.where(jnp.asarray(count) < step, 0.0, at_step(value, count))
