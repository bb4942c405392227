"""What a task is: its settings, data, model, goals, and what its source ran and published."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import optax

from experiments.fields import UsageError

Params: TypeAlias = Any
Examples: TypeAlias = Any  # a tuple of arrays whose first axis counts examples; the last: answers
Sampler: TypeAlias = Callable[[jax.Array, Any], Examples]


class Data(NamedTuple):
  """The data of one run.

  Attributes:
    train: examples to train on; or what `Task.sample` needs of the run to draw fresh ones at each
      step, as its secret.
    validation: examples held out.
    origin: where they come from; empty for what is computed.
  """

  train: Examples
  validation: Examples
  origin: Mapping[str, Any] = {}


class Model(NamedTuple):
  """A model, its loss and what else is measured.

  Attributes:
    init: key -> params.
    predict: (params, *inputs) -> outputs, where the inputs are an example's columns but for the
      last one, the answer.
    loss: (outputs, answers) -> float (B,), whose mean is minimised.
    metrics: by name, (outputs, answers) -> float (B,), as "accuracy".
  """

  init: Callable[[jax.Array], Params]
  predict: Callable[..., Any]
  loss: Callable[[Any, Any], jax.Array]
  metrics: Mapping[str, Callable[[Any, Any], jax.Array]] = {}


def score(model: Model, params: Params, examples: Examples) -> dict[str, jax.Array]:
  """The loss and each metric of each example: float (B,) by name."""
  *inputs, answers = examples
  outputs = model.predict(params, *inputs)
  metrics = {name: metric(outputs, answers) for name, metric in model.metrics.items()}
  return {"loss": model.loss(outputs, answers), **metrics}


def accuracy(logits: jax.Array, labels: jax.Array) -> jax.Array:
  """1 where the largest of the logits is the label's, else 0: (B, classes), (B,) -> (B,)."""
  return (logits.argmax(-1) == labels).astype(logits.dtype)


def check_batch(batch_size: int, training: int, what: str) -> None:
  """Raises a `UsageError` for a batch larger than the training set."""
  if batch_size > training:
    raise UsageError(
      f"--batch-size must be from 1 to the {training:,} training {what}; got {batch_size}."
    )


class Goal(NamedTuple):
  """What a run is to reach.

  Attributes:
    metric: a column of the log, as "val_accuracy".
    threshold: of it.
    direction: "at_least" or "at_most" the threshold.
  """

  metric: str
  threshold: float
  direction: Literal["at_least", "at_most"] = "at_least"

  @property
  def name(self) -> str:
    """The goal in names of figures.

    >>> Goal("val_accuracy", 0.95).name, Goal("val_loss", 0.1, "at_most").name
    ('val_95', 'val_loss_0.1')
    """
    if self.metric == "val_accuracy":
      return f"val_{100 * self.threshold:.3g}"
    return f"{self.metric}_{self.threshold:g}"

  def reached(self, record: Mapping[str, Any]) -> bool:
    """Whether a line of the log is at the goal; what was not finite is not."""
    value = record.get(self.metric)
    if value is None:
      return False
    return value >= self.threshold if self.direction == "at_least" else value <= self.threshold


# Of a report on accuracies: what is known by heart, and what is understood.
GROKKING_COLUMNS = {
  "99 % training": "train_99_step",
  "95 % validation": "val_95_step",
  "sustained": "val_95_sustained_step",
  "dips": "val_95_dips",
}

# AdamW as torch has it by default: what the sources of three tasks use.
TORCHS_ADAMW = {
  "optimizer": "adamw",
  "learning_rate": 1e-3,
  "b1": 0.9,
  "b2": 0.999,
  "lr_warmup": 0.0,
}


@dataclasses.dataclass(frozen=True)
class Source:
  """What the task's source ran and published.

  Attributes:
    settings: of the optimizer and the length, whatever the method.
    by_method: what it has instead with a method.
    published: (values of all settings) -> its figures for a summary, by name.
    full_steps: its budget, where the default here is shorter.
  """

  settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  by_method: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
  published: Callable[[Mapping[str, Any]], Mapping[str, float]] = lambda values: {}
  full_steps: int | None = None

  def of(self, method: str) -> dict[str, Any]:
    """Its settings with a method; with `a+b`, unless it has that itself, those of a, then b."""
    own = self.by_method.get(method)
    parts = [own] if own is not None else [self.by_method.get(m, {}) for m in method.split("+")]
    return functools.reduce(lambda all_, part: {**all_, **part}, parts, dict(self.settings))


@dataclasses.dataclass(frozen=True)
class Task:
  """A task.

  Attributes:
    name: of the command `python -m experiments NAME`.
    settings: the dataclass of its own settings. A field is of the kind data, model, shape or
      place; `batch_size` must be one.
    data: (settings, key) -> the data. Its shapes do not depend on the key.
    model: settings -> the model.
    source: what its source ran and published.
    goals: the first is the goal; the others are reported too.
    columns: of a report: a header, and what of the summary stands under it.
    sample: settings -> (key, what is in the place of `Data.train`) -> `batch_size` fresh examples,
      and a step is an epoch; or None for examples that stay.
    check: raises a `UsageError` for settings that do not go together.
    before: settings -> a gradient transformation before the method's.
    probe: held-out examples that are scored after each epoch, drawn anew; None for no such batch.
      Some references report the best score that a run ever had on one.
    answers: "classes" where outputs are logits of classes and answers integers, so that a method
      may bring a loss of its own.
    variants: settings that make another task of it, as the operation: always told.
    always_shown: settings that are told in each label, the source's own value too.
    same_split: whether all seeds have the same data.
  """

  name: str
  settings: type[Any]
  data: Callable[[Any, jax.Array], Data]
  model: Callable[[Any], Model]
  source: Source = dataclasses.field(default_factory=Source)
  goals: tuple[Goal, ...] = ()
  columns: Mapping[str, str] = dataclasses.field(default_factory=dict)
  sample: Callable[[Any], Sampler | None] = lambda settings: None
  check: Callable[[Any], None] = lambda settings: None
  before: Callable[[Any], optax.GradientTransformation] | None = None
  probe: int | None = None
  answers: Literal["classes", "other"] = "other"
  variants: tuple[str, ...] = ()
  always_shown: tuple[str, ...] = ()
  same_split: bool = False

  @property
  def has_accuracy(self) -> bool:
    """Whether its answers are right or wrong."""
    return self.answers == "classes" or any(g.metric == "val_accuracy" for g in self.goals)

  @property
  def about(self) -> str:
    """The first line of the settings' docstring."""
    return (self.settings.__doc__ or self.name).strip().splitlines()[0]

  @property
  def quantity(self) -> str:
    """What its curves show: the goal's metric without its part, else the loss."""
    return self.goals[0].metric.removeprefix("val_") if self.goals else "loss"


@functools.partial(jax.jit, static_argnames="training")
def split_rows(key: jax.Array, rows: Examples, training: int) -> tuple[Examples, Examples]:
  """A random split: `training` rows to train on, the others to validate."""
  order = jax.random.permutation(key, len(jax.tree.leaves(rows)[0]))
  parts: Sequence[jax.Array] = (order[:training], order[training:])
  first, second = (jax.tree.map(lambda c: jnp.asarray(c)[index], rows) for index in parts)  # noqa: B023
  return first, second
