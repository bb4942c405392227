"""The task of modular arithmetic: all pairs with their answers, the paper's model and its loss."""

from typing import Literal, TypeAlias

import jax
import numpy as np
import optax

from experiments.layers import OperandDtype, pure
from experiments.training import Params, Task
from experiments.transformer import Transformer

Operation: TypeAlias = Literal["add", "sub", "mul", "div"]


def table(
  operation: Operation, p: int, *, include_zero: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """All pairs with their answers, x slowest: three int32 arrays (rows,).

  >>> x, y, answer = table("div", 3)
  >>> print(x, y, answer)
  [0 0 1 1 2 2] [1 2 1 2 1 2] [0 0 1 2 2 1]
  """
  x, y = np.meshgrid(np.arange(p), np.arange(0 if include_zero else 1, p), indexing="ij")
  x, y = x.ravel(), y.ravel()
  if operation == "div":
    inverses = np.array([0] + [pow(i, -1, p) for i in range(1, p)])
    answer = x * inverses[y]
  else:
    answer = {"add": np.add, "sub": np.subtract, "mul": np.multiply}[operation](x, y)
  x, y, answer = (a.astype(np.int32) for a in (x, y, answer % p))
  return x, y, answer


def _model(p: int, operands: OperandDtype = "float32"):
  return pure(lambda rngs: Transformer(p, operands=operands, rngs=rngs))


def logits(p: int, params: Params, x: jax.Array, y: jax.Array) -> jax.Array:
  """The model's answers to x ∘ y: int32 (B,), int32 (B,) -> float (B, p + 2)."""
  _, apply = _model(p)
  return apply(params, x, y)


def task(p: int, operands: OperandDtype = "float32") -> Task:
  """The paper's model and loss; rows are (x, y, answer), each int32 (B,)."""
  init, apply = _model(p, operands)

  def score(params, rows):
    x, y, answer = rows
    z = apply(params, x, y)
    losses = optax.softmax_cross_entropy_with_integer_labels(z, answer)
    return {"loss": losses, "accuracy": (z.argmax(-1) == answer).astype(losses.dtype)}

  return Task(init, score)
