"""What a condition is: a function of the step, or a pair of pure functions; and how it is asked."""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp

from grokfax import _arguments


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
