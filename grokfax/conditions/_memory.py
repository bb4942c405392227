"""Conditions with a memory of what another one answered: for good, up to then, or slowly."""

import jax
import jax.numpy as jnp
import optax

from grokfax import _arguments
from grokfax.conditions._condition import Condition, StatefulCondition, ask, with_state


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
