"""Every method under test, by name.

A method is what stands before the optimizer. The optimizer is Adam with coupled
weight decay, added to the filtered gradient, as the paper ran its transformer, or
AdamW.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias, TypeVar, get_args

import jax.numpy as jnp
import optax

import grokfax
from experiments import cli
from experiments.cli import UsageError

MethodName: TypeAlias = Literal[
  "baseline",
  "grokfast_ma",
  "grokfast_ma_two_stage",
  "grokfast_ema",
  "delayed_compression",
  "grokfast_ema_delayed_compression",
]
OptimizerName: TypeAlias = Literal["adam", "adamw"]
Settings = TypeVar("Settings", bound="MethodSettings")


Number: TypeAlias = Annotated[float | None, cli.optional("FLOAT", "the method's own")]
Size: TypeAlias = Annotated[int | None, cli.optional("INT", "the method's own")]
Optimizer: TypeAlias = Annotated[
  OptimizerName | None, cli.optional("{adam,adamw}", "the method's own")
]


@dataclasses.dataclass(frozen=True)
class MethodSettings:
  """The method and its hyperparameters; None is the method's own value."""

  method: MethodName = "grokfast_ema"
  """what stands before the optimizer"""
  optimizer: Optimizer = None
  """adam (weight decay coupled, as the paper ran its transformer) or adamw (decoupled)"""
  learning_rate: Number = None
  """after the warm-up"""
  weight_decay: Number = None
  """coupled or decoupled, as the optimizer has it"""
  b1: Number = None
  """decay of Adam's first moment"""
  b2: Number = None
  """decay of Adam's second moment"""
  lr_warmup: Number = None
  """updates over which the learning rate rises from 0"""
  alpha: Number = None
  """grokfast_ema: decay of the average, in [0, 1)"""
  lamb: Number = None
  """grokfast: how much of the slow gradient is added"""
  window_size: Size = None
  """grokfast_ma: how many gradients are averaged"""
  start_step: Number = None
  """grokfast_ma_two_stage: the first step at which the average is added"""
  coefficient: Number = None
  """delayed_compression: of the sum of the squared weights"""
  threshold: Number = None
  """delayed_compression: the batch's training accuracy from which the penalty acts"""


SHAPING = ("method", "optimizer", "window_size")  # these shape the program; the others are numbers


def _ema(alpha, lamb):
  return [grokfax.grokfast_ema(alpha, lamb)]


def _ma(window_size, lamb):
  return [grokfax.grokfast_ma(window_size, lamb)]


def _ma_two_stage(window_size, lamb, start_step):
  return [grokfax.grokfast_ma(window_size, grokfax.start_at(start_step, lamb))]


def _compression(coefficient, threshold):
  return [grokfax.delayed_compression(coefficient, threshold, mask=grokfax.not_bias)]


def _ema_compression(alpha, lamb, coefficient, threshold):
  return [*_ema(alpha, lamb), *_compression(coefficient, threshold)]


class Method(NamedTuple):
  """A method.

  Attributes:
    transformations: from the method's own hyperparameters to what stands before
      the optimizer.
    own: those hyperparameters, with the values of the paper's main experiment.
    needs: the score of training that it looks at.
  """

  transformations: Callable[..., Sequence[optax.GradientTransformation]]
  own: dict[str, Any]
  needs: str | None = None


_EMA = {"alpha": 0.98, "lamb": 2.0}
_MA = {"window_size": 100, "lamb": 5.0}
_COMPRESSION = {"coefficient": 0.01, "threshold": 0.99}

METHODS: dict[str, Method] = {
  "baseline": Method(lambda: [], {}),
  "grokfast_ma": Method(_ma, _MA),
  "grokfast_ma_two_stage": Method(_ma_two_stage, {**_MA, "start_step": 500.0}),
  "grokfast_ema": Method(_ema, _EMA),
  "delayed_compression": Method(_compression, _COMPRESSION, "accuracy"),
  "grokfast_ema_delayed_compression": Method(
    _ema_compression, {**_EMA, **_COMPRESSION}, "accuracy"
  ),
}
assert tuple(METHODS) == get_args(MethodName)


TORCHS_ADAMW = {
  "optimizer": "adamw",
  "learning_rate": 1e-3,
  "b1": 0.9,
  "b2": 0.999,
  "lr_warmup": 0.0,
}


class Presets(NamedTuple):
  """What stands for a setting that the user leaves out, in one experiment.

  Attributes:
    common: whatever the method.
    sources: by method, what its source has instead.
  """

  common: dict[str, Any]
  sources: dict[str, dict[str, Any]]

  def of(self, method: str) -> dict[str, Any]:
    """All of a method's settings."""
    return {**self.common, **METHODS[method].own, **self.sources.get(method, {})}


_RANGES: dict[str, tuple[str, Callable[[float], bool]]] = {
  "learning_rate": ("above 0", lambda v: 0 < v < float("inf")),
  "alpha": ("in [0, 1)", lambda v: 0 <= v < 1),
  "b1": ("in [0, 1)", lambda v: 0 <= v < 1),
  "b2": ("in [0, 1)", lambda v: 0 <= v < 1),
  "window_size": ("at least 1", lambda v: v >= 1),
  "threshold": ("a finite number", lambda v: abs(v) < float("inf")),
}
_NOT_NEGATIVE = ("finite and at least 0", lambda v: 0 <= v < float("inf"))


def describe(presets: Presets) -> str:
  """Every method with its settings, for a command line's help."""
  lines = ["Methods and their own settings:"]
  for name in METHODS:
    settings = ", ".join(f"{key} {value}" for key, value in presets.of(name).items())
    lines.append(f"* {name}: {settings}")
  return "\n".join(lines)


def flag(name: str) -> str:
  return "--" + name.replace("_", "-")


def resolve(settings: Settings, presets: Presets) -> Settings:
  """Fills what was left out with the experiment's settings of the method.

  Raises:
    UsageError: for a hyperparameter that the method does not have, or one out of range.
  """
  defaults = presets.of(settings.method)
  fields = [field.name for field in dataclasses.fields(MethodSettings)]
  filled = {
    name: value
    for name, value in defaults.items()
    if name not in fields and getattr(settings, name) is None
  }
  for name in fields:
    value = getattr(settings, name)
    if name == "method":
      continue
    if name not in defaults:
      if value is not None:
        has = ", ".join(flag(n) for n in defaults if n in fields)
        raise UsageError(f"{settings.method} has no {flag(name)}; it has {has}.")
      continue
    value = defaults[name] if value is None else value
    if name != "optimizer":
      allowed, holds = _RANGES.get(name, _NOT_NEGATIVE)
      if not holds(value):
        raise UsageError(f"{flag(name)} must be {allowed}; got {value}.")
    filled[name] = value
  return dataclasses.replace(settings, **filled)


def hyperparameters(settings: MethodSettings) -> dict[str, Any]:
  """The numbers among resolved settings: one compiled program serves all their values."""
  values = {
    field.name: getattr(settings, field.name) for field in dataclasses.fields(MethodSettings)
  }
  return {
    name: jnp.float32(value)
    for name, value in values.items()
    if name not in SHAPING and value is not None
  }


def make_optimizer(
  settings: MethodSettings, numbers: dict[str, Any]
) -> optax.GradientTransformationExtraArgs:
  """The chain of a method: its transformations, then the optimizer.

  Args:
    settings: resolved settings, of which only what shapes the program is read.
    numbers: the hyperparameters, which may be traced.
  """
  method = METHODS[settings.method]
  own = {n: settings.window_size if n == "window_size" else numbers[n] for n in method.own}

  def learning_rate(step):
    warmup = numbers["lr_warmup"]  # the first update has learning rate 0, as in the reference
    return numbers["learning_rate"] * jnp.where(step < warmup, step / warmup, 1.0)

  make = optax.adamw if settings.optimizer == "adamw" else grokfax.adam_l2
  optimizer = make(
    learning_rate,
    b1=numbers["b1"],
    b2=numbers["b2"],
    eps=1e-8,
    weight_decay=numbers["weight_decay"],
  )
  return optax.chain(*method.transformations(**own), optimizer)
