"""Conditions: when a gate is open.

A condition answers at each step: `when(step, **extra_args)` gives a boolean, or
a number from 0 to 1 for a gate that opens slowly. Any function of that form will
do, and it takes `**extra_args`, for it is given the metrics of all gates. Conditions
with a memory (`latched`, `until`, `ramped`) are a pair of pure functions, as a
gradient transformation is, and live in the gate's state.
"""

import inspect
import keyword
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import optax

from grokfax import _arguments
from grokfax._arguments import at_step


class StatefulCondition(NamedTuple):
  """A condition with a memory: a pair of pure functions, as a gradient transformation is.

  Attributes:
    init: ``() -> state``, a tree of arrays.
    test: ``(state, step, **extra_args) -> (answer, state)``, with an answer as
      a plain condition gives it: a boolean, or a number from 0 to 1.

  Examples:
    A gate that opens when a metric has not risen for two steps:

    >>> import grokfax, jax.numpy as jnp, optax
    >>> def test(state, step, *, accuracy, **_):
    ...   best, since = state
    ...   since = jnp.where(accuracy > best, 0, since + 1)
    ...   return since >= 2, (jnp.maximum(best, accuracy), since)
    >>> stalled = grokfax.StatefulCondition(lambda: (jnp.float32(0), jnp.int32(0)), test)
    >>> tx = grokfax.gate(optax.scale(0.0), stalled)
    >>> state = tx.init(jnp.zeros([]))
    >>> for accuracy in (0.5, 0.4, 0.5, 0.6):
    ...   update, state = tx.update(jnp.ones([]), state, accuracy=accuracy)
    ...   print(update)
    1.0
    1.0
    0.0
    1.0
  """

  init: Callable[[], Any]
  test: Callable[..., tuple[jax.typing.ArrayLike, Any]]


Condition: TypeAlias = Callable[..., jax.typing.ArrayLike] | StatefulCondition


def ask(function: Callable[..., Any], *own: Any, **metrics: Any) -> Any:
  """`function(*own, **metrics)`, though an extra argument be called as one of its own is."""
  parameters = list(inspect.signature(function).parameters.values())[: len(own)]
  taken = {p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD}
  return function(*own, **{name: value for name, value in metrics.items() if name not in taken})


def answer(
  when: StatefulCondition, state: Any, step: jax.typing.ArrayLike, /, **metrics: Any
) -> tuple[jax.Array, Any]:
  """What a condition answers at a step, as a scalar, and its next state."""
  found, state = ask(when.test, state, step, **metrics)
  try:
    s = jnp.asarray(found)
  except (TypeError, ValueError):
    s = None
  if s is None or s.ndim or jnp.iscomplexobj(s):
    raise ValueError(
      "a condition must answer with a boolean or a number from 0 to 1, of shape (); "
      f"got {_arguments.shown(found)}."
    )
  return s, state


def with_state(when: Condition) -> StatefulCondition:
  if isinstance(when, StatefulCondition):
    return when
  if not callable(when):
    raise ValueError(
      "a condition must be a function (step, **extra_args) -> bool or one of grokfax's "
      f"conditions, such as from_step(n); got {when!r}."
    )
  return StatefulCondition(
    init=lambda: (),
    test=lambda state, step, /, **extra_args: (ask(when, step, **extra_args), state),
  )


def from_step(n: jax.typing.ArrayLike) -> Condition:
  """Holds from step n on, counted from 0.

  Args:
    n: the first step at which it holds, not negative; a number or a traced scalar.

  Returns:
    A condition, which answers with a boolean.

  Raises:
    ValueError: if ``n`` is a number below 0.

  Examples:
    >>> import grokfax
    >>> bool(grokfax.from_step(500)(499)), bool(grokfax.from_step(500)(500))
    (False, True)
  """
  _arguments.check_not_negative("n", n, schedule=False)
  return lambda step, /, **_: jnp.asarray(step) >= n


RESERVED = ("updates", "state", "params", "step", "steps_open")  # arguments that are no metrics


def _metric(name: str, extra_args: dict[str, Any]) -> jax.Array:
  if extra_args.get(name) is None:
    raise ValueError(
      f"the metric {name!r} is missing: call update(grads, state, params, {name}=...) with the "
      "batch's own value, from the same forward pass, before the update. A trainer or a wrapper "
      "that hands no extra arguments on (optax.lookahead, optax.contrib.split_real_and_imaginary, "
      "optax.contrib.sam) takes no metric: there a gate may open by from_step(n)."
    )
  try:
    metric = jnp.asarray(extra_args[name])
  except (TypeError, ValueError):
    metric = None
  if metric is None or jnp.iscomplexobj(metric):
    raise ValueError(
      f"the metric {name!r} must be a number; got {_arguments.shown(extra_args[name])}."
    )
  if metric.ndim:
    raise ValueError(f"the metric {name!r} must be a scalar; got one of shape {metric.shape}.")
  return metric


def _check_metric_name(name: str) -> None:
  free = isinstance(name, str) and name.isidentifier() and not keyword.iskeyword(name)
  if not free or name in RESERVED:
    raise ValueError(
      f"name must be that of a keyword argument of update, and none of {', '.join(RESERVED)}; "
      f"got {_arguments.shown(name)}."
    )


ROUNDING = 8 * float(jnp.finfo(jnp.float32).eps)  # of a mean of some hundred in float32, relative


def _reaches(metric: jax.Array, threshold: optax.ScalarOrSchedule, step: Any) -> jax.Array:
  """metric >= threshold, where 99 right of 100 is .99 though float32 says .98999995."""
  least = at_step(threshold, step)
  return metric >= least - ROUNDING * jnp.abs(least)


def metric_at_least(name: str, threshold: optax.ScalarOrSchedule) -> Condition:
  """Holds while a metric is at or above a threshold.

  The comparison bears the rounding of both in float32, a millionth of the threshold: 99 right of
  100 is .99. Both are in one unit, shares or percent: nothing here can tell. The metric comes
  through ``update(grads, state, params, <name>=value)``. Let it be one of training, or of a third
  split: never of the data that scores. Where each device has a metric of its own, as in
  ``shard_map``, average it first (``jax.lax.pmean``): else a gate opens on some devices and not on
  others, and parameters that should be the same drift apart.

  Args:
    name: the metric's keyword, such as "train_accuracy".
    threshold: a number, a traced scalar or a schedule of the step.

  Returns:
    A condition, which answers with a boolean.

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
  return lambda step, /, **extra_args: _reaches(_metric(name, extra_args), threshold, step)


def metric_below(name: str, threshold: optax.ScalarOrSchedule) -> Condition:
  """Holds while a metric is below a threshold; see :func:`metric_at_least`.

  Args:
    name: the metric's keyword, such as "train_loss".
    threshold: a number, a traced scalar or a schedule of the step.

  Returns:
    A condition, which answers with a boolean.

  Raises:
    ValueError: if ``threshold`` is not a number; later, if the metric is missing.

  Examples:
    >>> import grokfax
    >>> bool(grokfax.metric_below("train_loss", 0.1)(0, train_loss=0.05))
    True
  """
  _check_metric_name(name)
  _arguments.check_scalar("threshold", threshold)

  def below(step, /, **extra_args):
    metric = _metric(name, extra_args)
    return ~(_reaches(metric, threshold, step) | jnp.isnan(metric))

  return below


def latched(when: Condition) -> StatefulCondition:
  """Holds from the first step at which `when` holds (is not 0), for good.

  Args:
    when: a condition.

  Returns:
    A condition with a memory.

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
  when = with_state(when)

  def init():
    return jnp.zeros([], jnp.int32), when.init()  # 0 or 1, for a wrapper that blends states

  def test(state, step, /, **extra_args):
    opened, inner = state
    answer, inner = ask(when.test, inner, step, **extra_args)
    opened = jnp.where(jnp.asarray(answer) > 0, 1, opened)
    return opened > 0, (opened, inner)

  return StatefulCondition(init, test)


def until(when: Condition) -> StatefulCondition:
  """Holds up to the first step at which `when` holds; from that step on no more.

  It is the contrary of :func:`latched`: ``until(metric_at_least("probe_accuracy",
  0.95))`` switches off for good when a third split is solved.

  Args:
    when: a condition.

  Returns:
    A condition with a memory.

  Examples:
    >>> import grokfax, jax.numpy as jnp, optax
    >>> tx = grokfax.gate(optax.scale(0.0), grokfax.until(lambda step, **_: step == 1))
    >>> state = tx.init(jnp.zeros([]))
    >>> for _ in range(3):
    ...   update, state = tx.update(jnp.ones([]), state)
    ...   print(update)
    0.0
    1.0
    1.0
  """
  when = latched(when)

  def test(state, step, /, **extra_args):
    over, state = when.test(state, step, **extra_args)
    return jnp.logical_not(over), state

  return StatefulCondition(when.init, test)


def ramped(when: Condition, steps: jax.typing.ArrayLike) -> StatefulCondition:
  """Rises from 0 to 1 over the first steps at which `when` holds.

  It is k/steps at the k-th step in a row at which `when` holds, at most 1, and 0
  as soon as `when` does not hold.

  Args:
    when: a condition.
    steps: how many, at least 1; a number or a traced scalar.

  Returns:
    A condition with a memory, which answers with a number from 0 to 1.

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
  when = with_state(when)
  _arguments.check_scalar("steps", steps, "a finite number >= 1", lambda n: n >= 1, schedule=False)

  def init():
    return jnp.zeros([], jnp.int32), when.init()

  def test(state, step, /, **extra_args):
    held, inner = state
    answer, inner = ask(when.test, inner, step, **extra_args)
    held = jnp.where(jnp.asarray(answer) > 0, optax.safe_increment(held), 0)
    return jnp.minimum(held / jnp.asarray(steps), 1.0), (held, inner)

  return StatefulCondition(init, test)
