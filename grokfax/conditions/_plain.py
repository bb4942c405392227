"""Conditions without a memory: of the step, and of a metric."""

import keyword
from typing import Any

import jax
import jax.numpy as jnp
import optax

from grokfax import _arguments
from grokfax._arguments import at_step
from grokfax.conditions._condition import Condition


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
