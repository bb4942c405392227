"""What a method is: hyperparameters, and a function from an optimizer to an optimizer."""

import dataclasses
from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import optax

Optimizer: TypeAlias = optax.GradientTransformation


@dataclasses.dataclass(frozen=True)
class Nothing:
  """No hyperparameters."""


@dataclasses.dataclass(frozen=True)
class Method:
  """A method.

  Attributes:
    name: of `--method NAME`.
    hyperparameters: a dataclass of settings, of the kind number or shape. Numbers reach `build`
      traced, sizes as Python's own.
    build: (hyperparameters, optimizer) -> optimizer: something before it, after it, or instead
      of it (which is then the identity).
    loss: (logits (B, classes), labels (B,)) -> (B,), instead of the task's; None for the task's.
    needs: what the task must have: "accuracy", a training accuracy in the `update`'s arguments;
      "classes", logits of classes, as a loss of the method's own has it.
    replaces_optimizer: whether it does without one; then a run has no settings of an optimizer.
  """

  name: str
  hyperparameters: type[Any] = Nothing
  build: Callable[[Any, Optimizer], Optimizer] = lambda h, optimizer: optimizer
  loss: Callable[[jax.Array, jax.Array], jax.Array] | None = None
  needs: tuple[str, ...] = ()
  replaces_optimizer: bool = False


BASELINE = Method("baseline")
