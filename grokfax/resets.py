"""Resets: a transformation whose state starts anew when a condition comes to hold."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from grokfax import _arguments
from grokfax.conditions import Condition, answer, with_state


class ResetState(NamedTuple):
  """State of :func:`reset_when`.

  Attributes:
    reset_step: updates made so far, int32 of shape ().
    held_before: 1 if the condition held at the last of them, else 0; int32 of shape ().
    condition_state: what the condition remembers.
    inner_state: the inner transformation's state.
  """

  reset_step: jax.typing.ArrayLike
  held_before: jax.typing.ArrayLike
  condition_state: Any
  inner_state: optax.OptState


def _as(old: jax.Array, new: jax.Array) -> jax.Array:
  """What is new in the type of what is old."""
  new = new if new.dtype == old.dtype else new.astype(old.dtype)
  return jnp.where(False, old, new)  # in a shard_map it differs by device where the old one does


def _with_clocks(state: Any, clocks: Any) -> Any:
  """A state with the clocks of another: the fields that all members of a `vmap` share."""

  def node(node, other):
    shared = getattr(node, "unbatched_fields", ())
    return node._replace(**{name: getattr(other, name) for name in shared}) if shared else node

  return jax.tree.map(node, state, clocks, is_leaf=lambda n: hasattr(n, "unbatched_fields"))


def reset_when(
  inner: optax.GradientTransformation, when: Condition
) -> optax.GradientTransformationExtraArgs:
  """Starts the state of a transformation anew whenever a condition comes to hold.

  That is at each step at which it holds and did not at the step before, and before
  the transformation sees that step's gradient: which is the first one again to a
  filter that starts from it, and step 0 to a schedule. So a filter forgets what
  memorising looked like, or a warm start begins with Adam's moments at 0. Under
  ``latched`` it happens once. (The place in its window that a filter writes next is
  no memory, and stays: with blocks of gradients the first of them may be a part.)

  Under ``vmap`` each member has a reset of its own, and pays for it: its state is
  written at each step, a whole window too, where one run alone writes it at the
  reset.

  Args:
    inner: the transformation; a whole optimizer too. Its ``init`` is called with the
      parameters or, where ``update`` gets none, with the updates.
    when: the condition, ``when(step, **extra_args)`` with the step counted from 0, or
      a :class:`StatefulCondition`; see :func:`grokfax.gate`.

  Returns:
    A gradient transformation that takes the condition's metrics as extra arguments.

  Raises:
    ValueError: if ``inner`` is no transformation or ``when`` no condition; in
      ``update``, if a metric is missing or the answer is no scalar.

  Examples:
    An average that knows the gradients since memorisation alone:

    >>> import grokfax, jax.numpy as jnp, optax
    >>> memorised = grokfax.latched(grokfax.metric_at_least("train_accuracy", 0.99))
    >>> tx = optax.chain(
    ...   grokfax.reset_when(grokfax.grokfast_ema(), memorised), optax.adam(1e-3)
    ... )

    >>> tx = grokfax.reset_when(grokfax.grokfast_ema(0.5, 1.0), grokfax.from_step(2))
    >>> state = tx.init(jnp.zeros([]))
    >>> for g in (4.0, 0.0, 1.0):
    ...   update, state = tx.update(jnp.asarray(g), state)
    ...   print(update)
    8.0
    2.0
    2.0
  """
  _arguments.check_transformation("inner", inner)
  when = with_state(when)
  inner = optax.with_extra_args_support(inner)

  def init_fn(params):
    return ResetState(
      reset_step=jnp.zeros([], jnp.int32),
      held_before=jnp.zeros([], jnp.int32),
      condition_state=when.init(),
      inner_state=inner.init(params),
    )

  def update_fn(updates, state, params=None, **extra_args):
    s, condition_state = answer(when, state.condition_state, state.reset_step, **extra_args)
    holds = (s > 0).astype(jnp.int32)

    def anew(old):
      return jax.tree.map(_as, old, inner.init(updates if params is None else params))

    # No `where`: that would write the whole state, a window too, at every step.
    inner_state = jax.lax.cond(holds > state.held_before, anew, lambda old: old, state.inner_state)
    inner_state = _with_clocks(inner_state, state.inner_state)
    updates, inner_state = inner.update(updates, inner_state, params, **extra_args)
    return updates, ResetState(
      optax.safe_increment(state.reset_step), holds, condition_state, inner_state
    )

  return optax.GradientTransformationExtraArgs(init_fn, update_fn)
