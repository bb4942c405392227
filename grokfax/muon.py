"""Muon by groups of parameters: the named chain that groks soonest in the benchmark."""

import math
from collections.abc import Callable, Hashable, Mapping
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from optax import contrib

from grokfax import _arguments
from grokfax.groups import GROUPS, parameter_groups

Numbers = Mapping[str, jax.typing.ArrayLike]

RATES: Numbers = MappingProxyType(
  {
    "matrices": 0.18,
    "attention": 0.022,
    "embedding": 0.07,
    "positions": 0.01,
    "head": 0.005,
    "rest": 0.001,
  }
)
DECAYS: Numbers = MappingProxyType(
  {
    "matrices": 0.1,
    "attention": 0.5,
    "embedding": 0.75,
    "positions": 6.0,
    "head": 0.4,
    "rest": 0.0,
  }
)
BY_MUON = ("matrices", "attention")


def grouped_muon(
  learning_rate: optax.ScalarOrSchedule = 1.0,
  *,
  rates: Numbers | None = None,
  decays: Numbers | None = None,
  momentum: jax.typing.ArrayLike = 0.6,
  b1: jax.typing.ArrayLike = 0.875,
  b2: jax.typing.ArrayLike = 0.85,
  warmup_steps: jax.typing.ArrayLike = 5,
  rate_steps: jax.typing.ArrayLike = 430,
  rate_end: jax.typing.ArrayLike = 0.1,
  decay_steps: jax.typing.ArrayLike = 120,
  decay_end: jax.typing.ArrayLike = 0.3,
  dimension_numbers: Callable[[optax.Params], Any] | None = None,
) -> optax.GradientTransformationExtraArgs:
  """Muon for the matrices and AdamW for all else, with a rate and a weight decay by group.

  The groups are those of :func:`parameter_groups`. Rates and decays are high, and fall: after a
  warm-up both go linearly to a share of themselves. The defaults are the benchmark's recipe, found
  for a transformer of two layers of width 128, embeddings from N(0, 1), and batches of 512. For
  another model begin with rates and decays that stay, ``rate_end=1.0, decay_end=1.0``; once it
  generalizes let them fall, so that it stays there.

  Args:
    learning_rate: a factor of all rates; a number, a traced scalar or a schedule of the step.
    rates: learning rates by group, after the warm-up; those left out are in ``grokfax.muon.RATES``.
    decays: weight decays by group, decoupled, and multiplied by the learning rate of their group;
      those left out are in ``grokfax.muon.DECAYS``.
    momentum: decay of Muon's momentum, in [0, 1); Muon has ``matrices`` and ``attention``.
    b1: decay of AdamW's first moment, in [0, 1).
    b2: decay of AdamW's second moment, in [0, 1).
    warmup_steps: the first update has one part in ``warmup_steps + 1`` of the rates, and each
      after it one more.
    rate_steps: until this step the rates fall.
    rate_end: to this share of themselves; 1 lets them stay.
    decay_steps: until this step the decays fall, beside the rates that multiply them.
    decay_end: to this share of themselves; 1 lets them stay.
    dimension_numbers: parameters -> a tree of ``optax.contrib.MuonDimensionNumbers``, where other
      axes are rows and columns than here: of queries, keys and values the first axis is what goes
      in and the others are what comes out; of matrices the last is what comes out.

  Returns:
    An optimizer for parameters of any floating dtype. Its state is that of ``optax.partition``.

  Raises:
    ValueError: for a number out of its range, or a group that is none.

  Examples:
    >>> import grokfax, jax.numpy as jnp
    >>> tx = grokfax.grouped_muon(rates={"head": 0.01})
    >>> params = {"embed": jnp.ones((5, 4)), "mlp": jnp.ones((4, 4)), "head": jnp.ones((4, 5))}
    >>> updates, state = tx.update(params, tx.init(params), params)

  References:
    Jordan, `Muon <https://kellerjordan.github.io/posts/muon/>`_, 2024.
  """
  _arguments.check_scalar("learning_rate", learning_rate)
  if not (dimension_numbers is None or callable(dimension_numbers)):
    raise ValueError(
      "dimension_numbers must be a function from the parameters to a tree; "
      f"got {_arguments.shown(dimension_numbers)}."
    )
  for name, value in {"momentum": momentum, "b1": b1, "b2": b2}.items():
    _arguments.check_scalar(name, value, "in [0, 1)", lambda v: 0 <= v < 1, schedule=False)
  for name, value in {
    "warmup_steps": warmup_steps, "rate_steps": rate_steps, "rate_end": rate_end,
    "decay_steps": decay_steps, "decay_end": decay_end,
  }.items():  # fmt: skip
    _arguments.check_not_negative(name, value, schedule=False)
  rates, decays = _filled("rates", rates, RATES), _filled("decays", decays, DECAYS)

  def rate_of(group):
    def rate(step):
      base = learning_rate(step) if callable(learning_rate) else learning_rate
      warm = jnp.minimum(1.0, (1.0 + step) / (1.0 + warmup_steps))
      return rates[group] * base * warm * _falling(step, rate_steps, rate_end)

    return rate

  def optimizer_of(group):
    rate = rate_of(group)
    decay = lambda step: decays[group] * _falling(step, decay_steps, decay_end)  # noqa: E731
    if group not in BY_MUON:
      return optax.adamw(rate, b1, b2, weight_decay=decay, nesterov=True)
    numbers = dimension_numbers or _rows_and_columns(group)
    return optax.chain(
      contrib.scale_by_muon(beta=momentum, weight_dimension_numbers=numbers),
      _scale_by_shape(numbers),
      optax.add_decayed_weights(decay),
      optax.scale_by_learning_rate(rate),
    )

  by_group: dict[Hashable, Any] = {group: optimizer_of(group) for group in GROUPS}
  return optax.partition(by_group, parameter_groups)


def _filled(name: str, given: Numbers | None, defaults: Numbers) -> dict[str, Any]:
  given = dict(given or {})
  if unknown := [group for group in given if group not in GROUPS]:
    raise ValueError(f"{name} must be of {', '.join(GROUPS)}; got {_arguments.shown(unknown[0])}.")
  for group, value in given.items():
    _arguments.check_not_negative(f"{name}[{group!r}]", value, schedule=False)
  return {**defaults, **given}


def _falling(step: Any, steps: Any, end: Any) -> Any:
  """From 1 at step 0 to `end` at `steps`, and there it stays."""
  return 1.0 + (end - 1.0) * jnp.minimum(1.0, (1.0 * step) / jnp.maximum(1.0, steps))


def _scale_by_shape(numbers: Callable[[optax.Params], Any]) -> optax.GradientTransformation:
  """Updates of singular values 1 times √(columns / rows), so that outputs change by the rate."""

  def scale(update, axes):
    rows, columns = (
      math.prod(update.shape[axis] for axis in np.atleast_1d(each))
      for each in (axes.reduction_axis, axes.output_axis)
    )
    return update * (columns / rows) ** 0.5

  return optax.stateless(lambda updates, _: jax.tree.map(scale, updates, numbers(updates)))


def _rows_and_columns(group: str) -> Callable[[optax.Params], Any]:
  """Which axes go into a matrix, and which come out."""

  def of(leaf):
    axes = tuple(range(jnp.ndim(leaf)))
    inner = 1 if group == "attention" else len(axes) - 1
    return contrib.MuonDimensionNumbers(axes[:inner], axes[inner:])

  return lambda params: jax.tree.map(of, params)
