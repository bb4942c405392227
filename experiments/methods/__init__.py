"""How it is optimised: a file a family of methods, and a line for each method here.

A method stands before the optimizer (filters, penalties), after it, instead of it, or in the
loss; `--method a+b` composes from left to right.
"""

from collections.abc import Mapping
from typing import Any

import optax

from experiments.fields import UsageError, fields_of, flag, part
from experiments.methods import optimizers
from experiments.methods.compression import DELAYED_COMPRESSION, GROKFAST_EMA_DELAYED_COMPRESSION
from experiments.methods.geometry import (
  CAP_PARAMS_NORM,
  CLIP_BY_MEAN_NORM,
  EGALITARIAN_GRADIENT,
  ORTHOGONAL_GRADIENT,
  PROJECT_PARAMS_NORM,
)
from experiments.methods.grokfast import (
  GROKFAST_BUTTERWORTH,
  GROKFAST_DELAY,
  GROKFAST_EMA,
  GROKFAST_EMA_RESET,
  GROKFAST_EMA_TWO_STAGE,
  GROKFAST_MA,
  GROKFAST_MA_GATED,
  GROKFAST_MA_TWO_STAGE,
)
from experiments.methods.losses import STABLEMAX
from experiments.methods.method import BASELINE, Method, Nothing
from experiments.methods.optimizers import OPTIMIZERS
from experiments.methods.recipe import RECIPE

__all__ = ["METHODS", "OPTIMIZERS", "Method", "Nothing", "make_optimizer", "named"]

METHODS = {
  method.name: method
  for method in (
    BASELINE,
    GROKFAST_MA,
    GROKFAST_MA_TWO_STAGE,
    GROKFAST_MA_GATED,
    GROKFAST_EMA,
    GROKFAST_EMA_TWO_STAGE,
    GROKFAST_EMA_RESET,
    GROKFAST_BUTTERWORTH,
    GROKFAST_DELAY,
    DELAYED_COMPRESSION,
    GROKFAST_EMA_DELAYED_COMPRESSION,
    ORTHOGONAL_GRADIENT,
    EGALITARIAN_GRADIENT,
    CLIP_BY_MEAN_NORM,
    PROJECT_PARAMS_NORM,
    CAP_PARAMS_NORM,
    STABLEMAX,
    RECIPE,
  )
}


def named(name: str) -> list[Method]:
  """The methods of `a+b`, from left to right.

  Raises:
    UsageError: for an unknown one, or for some that do not compose.
  """
  names = name.split("+")
  if unknown := [n for n in names if n not in METHODS]:
    known = ", ".join(METHODS)
    raise UsageError(f"--method must be one of {known}, or several as a+b; got {unknown[0]!r}.")
  if len(set(names)) < len(names):
    raise UsageError(f"--method {name}: each method only once.")
  found = [METHODS[n] for n in names]
  owners: dict[str, str] = {}
  for method in found:
    for field in fields_of(method.hyperparameters):
      if (other := owners.setdefault(field, method.name)) != method.name:
        raise UsageError(f"{other} and {method.name} both have {flag(field)}: compose others.")
  for what, count in (
    ("bring a loss", sum(m.loss is not None for m in found)),
    ("replace the optimizer", sum(m.replaces_optimizer for m in found)),
  ):
    if count > 1:
      raise UsageError(f"--method {name}: only one of the methods may {what}.")
  return found


def make_optimizer(
  methods: list[Method], optimizer: str | None, values: Mapping[str, Any], steps: Any
) -> optax.GradientTransformationExtraArgs:
  """The optimizer of some methods, composed from left to right.

  One that replaces the optimizer is where that would be, wherever it is named: the others are
  before it or after it.

  Args:
    methods: from `named`.
    optimizer: its name; None where a method replaces it.
    values: of all settings; the numbers among them may be traced.
    steps: the budget, at which a schedule ends.
  """
  made = optax.identity()
  if optimizer is not None:
    made = optimizers.make(optimizer, part(OPTIMIZERS[optimizer].hyperparameters, values), steps)
  inwards = sorted(methods, key=lambda m: m.replaces_optimizer)
  for method in reversed(inwards):
    made = method.build(part(method.hyperparameters, values), made)
  return optax.with_extra_args_support(made)
