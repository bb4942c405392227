"""Gates: when a transformation acts.

A condition answers, at each step, whether a gate is open: `when(step,
**extra_args)` gives a boolean, or a number from 0 to 1 for a gate that opens
slowly. It is the condition of `optax.conditionally_transform`, and any function
of that form will do. Conditions with a memory (`latched`, `ramped`) are a pair
of pure functions, as a gradient transformation is, and live in the gate's state.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import optax

from grokfax import _arguments, _trees
from grokfax._arguments import at_step


class StatefulCondition(NamedTuple):
  """A condition with a memory.

  Attributes:
    init: () -> state.
    test: (state, step, **extra_args) -> (answer, state).
  """

  init: Callable[[], Any]
  test: Callable[..., tuple[jax.typing.ArrayLike, Any]]


Condition: TypeAlias = Callable[..., jax.typing.ArrayLike] | StatefulCondition


def _with_state(when: Condition) -> StatefulCondition:
  if isinstance(when, StatefulCondition):
    return when
  if not callable(when):
    raise ValueError(
      "a condition must be a function (step, **extra_args) -> bool or one of grokfax's "
      f"conditions, such as from_step(n); got {when!r}."
    )
  return StatefulCondition(
    init=lambda: (), test=lambda state, step, **extra_args: (when(step, **extra_args), state)
  )


def from_step(n: jax.typing.ArrayLike) -> Condition:
  """Holds from step n on, counted from 0.

  Args:
    n: the first step at which it holds, not negative; a number or a traced scalar.

  Raises:
    ValueError: if ``n`` is a number below 0.

  Examples:
    >>> import grokfax
    >>> bool(grokfax.from_step(500)(499)), bool(grokfax.from_step(500)(500))
    (False, True)
  """
  _arguments.check_not_negative("n", n, schedule=False)
  return lambda step, **_: jnp.asarray(step) >= n


def _metric(name: str, extra_args: dict[str, Any]) -> jax.Array:
  if extra_args.get(name) is None:
    raise ValueError(
      f"the metric {name!r} is missing: call update(grads, state, params, {name}=...) with the "
      "batch's own value, from the same forward pass, before the update."
    )
  metric = jnp.asarray(extra_args[name])
  if metric.ndim:
    raise ValueError(f"the metric {name!r} must be a scalar; got one of shape {metric.shape}.")
  return metric


def _check_metric_name(name: str) -> None:
  if not isinstance(name, str) or not name.isidentifier():
    raise ValueError(f"name must be that of a keyword argument of update; got {name!r}.")


def metric_at_least(name: str, threshold: optax.ScalarOrSchedule) -> Condition:
  """Holds while a metric is at or above a threshold.

  The metric comes through ``update(grads, state, params, <name>=value)``. Let it
  be one of training, or of a third split: never of the data that scores.

  Args:
    name: the metric's keyword, such as "train_accuracy".
    threshold: a number, a traced scalar or a schedule of the step.

  Raises:
    ValueError: if ``threshold`` is not a number; later, if the metric is missing.

  Examples:
    >>> import grokfax
    >>> memorised = grokfax.metric_at_least("train_accuracy", 0.99)
    >>> bool(memorised(0, train_accuracy=0.98)), bool(memorised(1, train_accuracy=0.99))
    (False, True)
  """
  _check_metric_name(name)
  _arguments.check_scalar("threshold", threshold)
  return lambda step, **extra_args: _metric(name, extra_args) >= at_step(threshold, step)


def metric_below(name: str, threshold: optax.ScalarOrSchedule) -> Condition:
  """Holds while a metric is below a threshold; see :func:`metric_at_least`.

  Args:
    name: the metric's keyword, such as "train_loss".
    threshold: a number, a traced scalar or a schedule of the step.

  Raises:
    ValueError: if ``threshold`` is not a number; later, if the metric is missing.

  Examples:
    >>> import grokfax
    >>> bool(grokfax.metric_below("train_loss", 0.1)(0, train_loss=0.05))
    True
  """
  _check_metric_name(name)
  _arguments.check_scalar("threshold", threshold)
  return lambda step, **extra_args: _metric(name, extra_args) < at_step(threshold, step)


def latched(when: Condition) -> Condition:
  """Holds from the first step at which `when` holds (is not 0), for good.

  Args:
    when: a condition.

  Examples:
    >>> import grokfax, jax.numpy as jnp, optax
    >>> tx = grokfax.gate(optax.scale(0.0), grokfax.latched(lambda step, **_: step == 1))
    >>> state = tx.init(jnp.zeros([]))
    >>> for _ in range(3):
    ...   update, state = tx.update(jnp.ones([]), state)
    ...   print(update)
    1.0
    0.0
    0.0
  """
  when = _with_state(when)

  def init():
    return jnp.zeros([], bool), when.init()

  def test(state, step, **extra_args):
    opened, inner = state
    answer, inner = when.test(inner, step, **extra_args)
    opened = opened | (jnp.asarray(answer) != 0)
    return opened, (opened, inner)

  return StatefulCondition(init, test)


def ramped(when: Condition, steps: jax.typing.ArrayLike) -> Condition:
  """Rises from 0 to 1 over the first steps at which `when` holds.

  It is k/steps at the k-th step in a row at which `when` holds, at most 1, and 0
  as soon as `when` does not hold.

  Args:
    when: a condition.
    steps: how many, at least 1; a number or a traced scalar.

  Raises:
    ValueError: if ``steps`` is a number below 1.

  Examples:
    >>> import grokfax, jax.numpy as jnp, optax
    >>> tx = grokfax.gate(optax.scale(0.0), grokfax.ramped(grokfax.from_step(1), steps=2))
    >>> state = tx.init(jnp.zeros([]))
    >>> for _ in range(4):
    ...   update, state = tx.update(jnp.ones([]), state)
    ...   print(update)
    1.0
    0.5
    0.0
    0.0
  """
  when = _with_state(when)
  _arguments.check_scalar("steps", steps, "a finite number >= 1", lambda n: n >= 1, schedule=False)

  def init():
    return jnp.zeros([], jnp.int32), when.init()

  def test(state, step, **extra_args):
    held, inner = state
    answer, inner = when.test(inner, step, **extra_args)
    held = jnp.where(jnp.asarray(answer) != 0, optax.safe_increment(held), 0)
    return jnp.minimum(held / jnp.asarray(steps), 1.0), (held, inner)

  return StatefulCondition(init, test)


class GateState(NamedTuple):
  """State of :func:`gate`.

  Attributes:
    gate_step: updates made so far, int32 of shape ().
    condition_state: what the condition remembers.
    inner_state: the inner transformation's state, which goes on while the gate is closed.
  """

  gate_step: jax.typing.ArrayLike
  condition_state: Any
  inner_state: optax.OptState


def gate(
  inner: optax.GradientTransformation, when: Condition
) -> optax.GradientTransformationExtraArgs:
  r"""Lets a transformation act while a condition holds.

  .. math::

    \hat u = u + s \cdot (\mathrm{inner}(u) - u)

  with s = 1 while the gate is open, 0 while it is closed, and between them where
  the condition is :func:`ramped`. Closed, it is the identity, whatever `inner`
  gives; the inner state goes on all the same. So a gate stands before the
  learning rate, and does not hold a whole optimizer.

  Args:
    inner: the transformation, from updates to updates of the same shapes.
    when: the condition, ``when(step, **extra_args)`` with the step counted from 0.

  Returns:
    A gradient transformation that takes the condition's metrics as extra arguments.

  Raises:
    ValueError: if ``when`` is no condition; in ``update``, if a metric is missing.

  Examples:
    Grokfast from the step on at which the batch is memorised:

    >>> import grokfax, jax.numpy as jnp, optax
    >>> memorised = grokfax.latched(grokfax.metric_at_least("train_accuracy", 0.99))
    >>> tx = optax.chain(grokfax.gate(grokfax.grokfast_ema(), memorised), optax.adamw(1e-3))
    >>> params = jnp.ones(3)
    >>> state = tx.init(params)
    >>> updates, state = tx.update(jnp.ones(3), state, params, train_accuracy=0.5)
  """
  when = _with_state(when)
  inner = optax.with_extra_args_support(inner)

  def init_fn(params):
    return GateState(jnp.zeros([], jnp.int32), when.init(), inner.init(params))

  def update_fn(updates, state, params=None, **extra_args):
    answer, condition_state = when.test(state.condition_state, state.gate_step, **extra_args)
    acted, inner_state = inner.update(updates, state.inner_state, params, **extra_args)
    s = jnp.asarray(answer)

    def mix(u, v):
      # Selecting at both ends keeps them exact, and a closed gate free of inner's NaNs.
      between = u + _trees.as_scalar_of(s, u) * (v - u)
      return jnp.where(s == 0, u, jnp.where(s == 1, v, between))

    updates = _trees.emit(mix, updates, acted)
    step = optax.safe_increment(state.gate_step)
    return updates, GateState(step, condition_state, inner_state)

  return optax.GradientTransformationExtraArgs(init_fn, update_fn)


def start_at(step: jax.typing.ArrayLike, value: optax.ScalarOrSchedule) -> optax.Schedule:
  """A schedule: 0 before a step, a value from it on.

  ``lamb=start_at(500, 5.0)`` is the paper's two-stage run: the filter fills from
  the start and acts from step 500.

  Args:
    step: the first step with the value, counted from 0; not negative.
    value: a number, a traced scalar or a schedule of the step.

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
