"""Modular arithmetic: x ∘ y (mod p), the paper's main experiment.

    python -m experiments.modular --method grokfast_ema --operation mul

trains the paper's transformer on half of all pairs and validates on the other half
after each epoch. The training half is soon memorised; the question is how many
steps later the other half is understood.
"""

import dataclasses
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from experiments import cli, methods, runs
from experiments.cli import UsageError
from experiments.figures import NAMES
from experiments.training import Params, Split, Task, Train, make_train
from experiments.transformer import Transformer

PROG = "python -m experiments.modular"
LARGEST_P = 1_000  # an epoch is the least that runs without a look at the metrics
Operation: TypeAlias = Literal["add", "sub", "mul", "div"]


@dataclasses.dataclass(frozen=True)
class Settings(runs.RunSettings, methods.MethodSettings):
  """Train the paper's transformer on x ∘ y (mod p) and see when it generalizes."""

  operation: Operation = "mul"
  """x + y, x - y, x · y or x / y"""
  p: int = 97
  """the modulus; a prime for div"""
  train_fraction: float = 0.5
  """of all pairs; the others validate"""
  include_zero: bool = False
  """let y be 0 too (not for div); the reference leaves it out of all four"""
  batch_size: int = 512
  """pairs a step; the last batch of an epoch may be smaller"""


def _is_prime(p: int) -> bool:
  return p > 1 and all(p % divisor for divisor in range(2, math.isqrt(p) + 1))


def resolve(settings: Settings) -> Settings:
  """Fills in the method's own settings and checks all of them.

  Raises:
    UsageError: says what is allowed.
  """
  settings = methods.resolve(settings)
  if settings.steps is None:
    settings = dataclasses.replace(settings, steps=methods.METHODS[settings.method].steps)
  runs.check(settings)
  if not 2 <= settings.p <= LARGEST_P:
    raise UsageError(f"--p must be from 2 to {LARGEST_P:,}; got {settings.p}.")
  if settings.operation == "div" and not _is_prime(settings.p):
    raise UsageError(f"--operation div needs a prime --p; {settings.p} is not prime.")
  if settings.operation == "div" and settings.include_zero:
    raise UsageError("--include-zero is for add, sub and mul: nothing can be divided by 0.")
  if not 0 < settings.train_fraction < 1:
    raise UsageError(f"--train-fraction must be between 0 and 1; got {settings.train_fraction}.")
  pairs, training = pair_count(settings), train_count(settings)
  if not 0 < training < pairs:
    raise UsageError(
      f"--train-fraction {settings.train_fraction} of {pairs} pairs leaves none to "
      f"{'validate' if training else 'train on'}."
    )
  if not 1 <= settings.batch_size <= training:
    raise UsageError(
      f"--batch-size must be from 1 to the {training:,} training pairs; got {settings.batch_size}."
    )
  return settings


def pair_count(settings: Settings) -> int:
  """How many pairs there are."""
  return settings.p * (settings.p - (not settings.include_zero))


def train_count(settings: Settings) -> int:
  """How many of them are trained on."""
  return int(pair_count(settings) * settings.train_fraction)


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


def split_rows(key: jax.Array, rows, training: int) -> Split:
  """A random split: `training` rows to train on, the others to validate."""
  order = jax.random.permutation(key, len(rows[0]))
  take = lambda index: tuple(jnp.asarray(column)[index] for column in rows)  # noqa: E731
  return Split(take(order[:training]), take(order[training:]))


def logits(p: int, params: Params, x: jax.Array, y: jax.Array) -> jax.Array:
  """The model's answers to x ∘ y: int32 (B,), int32 (B,) -> float (B, p + 2)."""
  graph = nnx.graphdef(nnx.eval_shape(lambda: Transformer(p, rngs=nnx.Rngs(0))))
  return nnx.merge(graph, params)(x, y)


def task(p: int) -> Task:
  """The paper's model and loss; rows are (x, y, answer), each int32 (B,)."""

  def init(key):
    return nnx.state(Transformer(p, rngs=nnx.Rngs(key)))

  def score(params, rows):
    x, y, answer = rows
    z = logits(p, params, x, y)
    losses = optax.softmax_cross_entropy_with_integer_labels(z, answer)
    return losses, (z.argmax(-1) == answer).astype(losses.dtype)

  return Task(init, score)


def make(settings: Settings) -> Train:
  """The training functions of resolved settings."""
  return make_train(
    task(settings.p),
    lambda numbers: methods.make_optimizer(settings, numbers),
    settings.batch_size,
  )


def _title(settings: Settings) -> str:
  return f"{settings.method}, {settings.operation} mod {settings.p}, seed {settings.seed}"


def describe(settings: Settings) -> str:
  """The method and operation of resolved settings, and what differs from the source's.

  Seed, budget and folder do not count.

  >>> describe(resolve(Settings(method="baseline", operation="add", p=7, batch_size=8)))
  'baseline add, p 7, batch_size 8'
  """
  own = resolve(Settings(method=settings.method, operation=settings.operation))
  not_counted = {field.name for field in dataclasses.fields(runs.RunSettings)}
  changed = [
    f"{field.name} {getattr(settings, field.name)}"
    for field in dataclasses.fields(Settings)
    if field.name not in not_counted and getattr(settings, field.name) != getattr(own, field.name)
  ]
  return ", ".join([f"{settings.method} {settings.operation}", *changed])


def _show(value: float | str | None) -> str:
  return "-" if value is None else value if isinstance(value, str) else f"{value:,}"


def report(settings: Settings, result: dict[str, Any], folder: Path) -> str:
  """A small table beside the published figure, which is of one seed and the source's settings."""
  method, baseline = methods.METHODS[settings.method], methods.METHODS["baseline"]
  as_published = describe(settings) == f"{settings.method} {settings.operation}"
  published = method.published.get(settings.operation) if as_published else None
  slowest = baseline.published.get(settings.operation) if settings.p == 97 else None
  first = result["val_95_step"]
  rows = [
    ("", "here", f"the {method.source}" if published else ""),
    ("training accuracy 99 % at step", result["train_99_step"], None),
    ("validation accuracy 95 % at step", first, published),
    ("  sustained to the end from step", result["val_95_sustained_step"], None),
    ("  held at the end, steps", result["held_steps"], None),
    ("steps", result["steps"], None),
    ("steps per second", result["steps_per_second"], None),
  ]
  if first and slowest:
    sooner = [step and f"x {slowest / step:.1f}" for step in (first, published)]
    rows.insert(3, (f"  sooner than the paper's {slowest:,}", *sooner))
  lines = [f"{name:36}{_show(here):>12}{_show(there):>12}" for name, here, there in rows]
  stopped = [f"stopped at step {result['steps']:,}"] * result["interrupted"]
  where = f"results: {folder}, picture: {folder / NAMES[0]}"
  return "\n".join([_title(settings), *lines, *stopped, where])


def run(settings: Settings) -> dict[str, Any]:
  """Trains by settings that need not be resolved; writes the folder and prints the table.

  Returns:
    The summary, as in `summary.json`.

  Raises:
    UsageError: if the settings or the folder will not do.
  """
  settings = resolve(settings)
  name = f"modular-{settings.operation}-{settings.method}-{settings.seed}"
  folder = runs.new_folder(settings.out, name, settings)
  rows = table(settings.operation, settings.p, include_zero=settings.include_zero)
  split_key, key = jax.random.split(jax.random.key(settings.seed))
  print(
    f"{_title(settings)}: compiling, then up to {settings.steps:,} steps; into {folder}", flush=True
  )
  try:
    result = runs.execute(
      train=make(settings),
      split=split_rows(split_key, rows, train_count(settings)),
      numbers=methods.hyperparameters(settings),
      key=key,
      settings=settings,
      batch_size=settings.batch_size,
      folder=folder,
    )
  except KeyboardInterrupt:
    raise KeyboardInterrupt(f"stopped at once; the log so far is in {folder}") from None
  print(report(settings, result, folder))
  return result


def main(argv: Sequence[str] | None = None) -> int:
  """The command line; returns the exit code."""
  about = f"{Settings.__doc__}\n\n{methods.describe()}"
  return cli.run_main(lambda: run(cli.parse(Settings, argv, PROG, about)))


if __name__ == "__main__":
  sys.exit(main())
