"""Training as one pure function of (key, data, hyperparameters).

`Train.init` and `Train.run` may be jitted, scanned and vmapped. All lengths are static: epochs
and steps are scans on the device, and what comes back is a small table of metrics, a row for
each evaluation. (A loop whose length is traced waits for the host at each iteration on a GPU.)
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import optax

Params: TypeAlias = Any
Examples: TypeAlias = Any  # a tree of arrays whose first axis counts examples
Hyperparameters: TypeAlias = Mapping[str, jax.typing.ArrayLike]
Scores: TypeAlias = dict[str, jax.Array]
Table: TypeAlias = dict[str, jax.Array]

VALIDATION_BLOCK = 1200  # examples at a time: activations that stay in the cache


class Split(NamedTuple):
  """The data: examples to train on, or what fresh ones are drawn by, and examples held out."""

  train: Examples
  validation: Examples


class TrainState(NamedTuple):
  """Everything that changes from step to step."""

  params: Params
  opt_state: optax.OptState
  key: jax.Array
  step: jax.Array


def count(examples: Examples) -> int:
  """How many examples there are."""
  return len(jax.tree.leaves(examples)[0])


def take(examples: Examples, index: jax.Array) -> Examples:
  """The examples at some positions."""
  return jax.tree.map(lambda column: column[index], examples)


def pad(index: jax.Array, length: int) -> tuple[jax.Array, jax.Array]:
  """`index` filled up to `length`, and weights that are 0 for the filling."""
  filling = (0, length - len(index))
  return jnp.pad(index, filling), jnp.pad(jnp.ones(len(index)), filling)


def best(name: str, values: jax.Array) -> jax.Array:
  """The highest accuracy, or the lowest of anything else; what is not a number does not count."""
  return (jnp.nanmax if name.endswith("accuracy") else jnp.nanmin)(values)


@dataclasses.dataclass(frozen=True)
class Train:
  """Pure functions of one training run.

  Attributes:
    init_params: key -> params.
    score: (params, examples) -> scores by name, each float (B,): the "loss" of each example,
      whose mean is minimised; and others, as an "accuracy" of 1 or 0.
    make_optimizer: from hyperparameters, which may be traced, to an optimizer. Its update is
      given the batch's own scores as `train_loss`, `train_accuracy`.
    batch_size: examples a step. Of a fixed number of them an epoch takes each once, in an order
      drawn anew; its last batch may be partial.
    sample: (key, the split's `train`) -> `batch_size` fresh examples; then an epoch is one step.
    probe: after each epoch so many held-out examples are scored too, drawn anew.
  """

  init_params: Callable[[jax.Array], Params]
  score: Callable[[Params, Examples], Scores]
  make_optimizer: Callable[[Hyperparameters], optax.GradientTransformationExtraArgs]
  batch_size: int
  sample: Callable[[jax.Array, Any], Examples] | None = None
  probe: int | None = None

  def epoch_steps(self, split: Split) -> int:
    """Steps in an epoch."""
    return 1 if self.sample else -(-count(split.train) // self.batch_size)

  def init(self, key: jax.Array, hyperparameters: Hyperparameters) -> TrainState:
    """The state before the first step."""
    init_key, key = jax.random.split(key)
    params = self.init_params(init_key)
    opt_state = self.make_optimizer(hyperparameters).init(params)
    return TrainState(params, opt_state, key, jnp.zeros([], jnp.int32))

  def run(
    self,
    state: TrainState,
    split: Split,
    hyperparameters: Hyperparameters,
    *,
    evaluations: int,
    epochs: int,
    batch_sharding: Any = None,
  ) -> tuple[TrainState, Table]:
    """Trains, and evaluates after each `epochs` epochs.

    Args:
      state: where it begins.
      split: the data.
      hyperparameters: numbers by name.
      evaluations: how many; static.
      epochs: from one to the next; static.
      batch_sharding: divides a batch's examples among devices.

    Returns:
      The state after it, and columns of length `evaluations`: "step"; of each score the mean
      "train_..." over the examples since the last evaluation, each batch before its own update;
      the mean "val_..." over the whole held-out part; with a probe the best "val_batch_...".
    """
    optimizer = self.make_optimizer(hyperparameters)
    step = functools.partial(self._step, optimizer, batch_sharding)
    epoch = functools.partial(self._epoch, split, step)
    names = self._scores(state, split)

    def evaluation(state, _):
      zeros = dict.fromkeys((*names, "examples"), jnp.zeros([]))
      (state, sums), seen = jax.lax.scan(epoch, (state, zeros), length=epochs)
      row = {"step": state.step}
      row |= {name: best(name, values) for name, values in seen.items()}
      row |= {f"train_{name}": sums[name] / sums["examples"] for name in names}
      row |= {f"val_{n}": v for n, v in self._validate(state.params, split.validation).items()}
      return state, row

    return jax.lax.scan(evaluation, state, length=evaluations)

  def _scores(self, state: TrainState, split: Split) -> tuple[str, ...]:
    return tuple(jax.eval_shape(self.score, state.params, split.validation))

  def _epoch(self, split, step, carry, _):
    state, sums = carry
    shuffle_key, key = jax.random.split(state.key)
    if self.sample:
      examples = self.sample(shuffle_key, split.train)
      inner, _ = step((state.params, state.opt_state, sums), (examples, jnp.ones(count(examples))))
    else:
      order, weights = self._batches(shuffle_key, count(split.train))
      inner, _ = jax.lax.scan(
        lambda carry, batch: step(carry, (take(split.train, batch[0]), batch[1])),
        (state.params, state.opt_state, sums),
        (order, weights),
      )
    params, opt_state, sums = inner
    state = TrainState(params, opt_state, key, state.step + self.epoch_steps(split))
    return (state, sums), self._glance(params, split.validation, shuffle_key)

  def _batches(self, key: jax.Array, examples: int) -> tuple[jax.Array, jax.Array]:
    """The order of an epoch and its weights: (steps, batch size) each."""
    steps = -(-examples // self.batch_size)
    order, weights = pad(jax.random.permutation(key, examples), steps * self.batch_size)
    shape = (steps, self.batch_size)
    return order.reshape(shape), weights.reshape(shape)

  def _step(self, optimizer, batch_sharding, carry, batch):
    params, opt_state, sums = carry
    examples, weights = batch
    if batch_sharding is not None:
      examples = jax.lax.with_sharding_constraint(examples, batch_sharding)
    objective = jax.value_and_grad(self._objective, has_aux=True)
    (_, totals), grads = objective(params, examples, weights)
    seen = weights.sum()
    metrics = {f"train_{name}": total / seen for name, total in totals.items()}
    updates, opt_state = optimizer.update(grads, opt_state, params, **metrics)
    sums = jax.tree.map(jnp.add, sums, {**totals, "examples": seen})
    return (optax.apply_updates(params, updates), opt_state, sums), None

  def _objective(self, params, examples, weights):
    totals = self._weighted(params, examples, weights)
    return totals["loss"] / weights.sum(), totals

  def _weighted(self, params, examples, weights):
    """The weighted sum of each score."""
    scores = self.score(params, examples)
    return jax.tree.map(lambda s: jnp.vdot(s, weights), scores)

  def _validate(self, params, examples):
    number = count(examples)
    blocks = -(-number // VALIDATION_BLOCK)
    size = -(-number // blocks)
    index, weights = pad(jnp.arange(number), blocks * size)

    def block(index_and_weights):
      index, weights = index_and_weights
      return self._weighted(params, take(examples, index), weights)

    sums = jax.lax.map(block, (index.reshape(blocks, size), weights.reshape(blocks, size)))
    return jax.tree.map(lambda s: s.sum() / number, sums)

  def _glance(self, params, examples, shuffle_key):
    if not self.probe:
      return {}
    key = jax.random.fold_in(shuffle_key, 2**31)  # none that the shuffle splits off
    index = jax.random.choice(key, count(examples), [self.probe], replace=False)
    scores = self.score(params, take(examples, index))
    return {f"val_batch_{name}": score.mean() for name, score in scores.items()}
