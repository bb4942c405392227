"""Training as one pure function of (key, data, hyperparameters).

`make_train` returns functions that may be jitted, scanned and vmapped: epochs and
steps are loops on the device, and what comes back is a small table of metrics, one
row for each evaluation.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import optax

Params: TypeAlias = Any
Rows: TypeAlias = Any  # a tree of arrays whose first axis counts examples
Hyperparameters: TypeAlias = dict[str, jax.typing.ArrayLike]

VALIDATION_BLOCK = 1200  # examples at a time: activations that stay in the cache


class Task(NamedTuple):
  """What is learnt.

  Attributes:
    init: key -> params.
    score: (params, rows) -> (losses, hits), both float (B,): the loss of each
      example, and 1 where the answer is right.
  """

  init: Callable[[jax.Array], Params]
  score: Callable[[Params, Rows], tuple[jax.Array, jax.Array]]


class Split(NamedTuple):
  """The data: rows to train on and rows held out."""

  train: Rows
  validation: Rows


class TrainState(NamedTuple):
  """Everything that changes from step to step."""

  params: Params
  opt_state: optax.OptState
  key: jax.Array
  step: jax.Array


class Evaluation(NamedTuple):
  """A row of metrics.

  The training figures are means over the epoch's examples, each batch before its
  own update; the validation figures are means over the whole held-out part.
  """

  step: jax.Array
  train_loss: jax.Array
  train_accuracy: jax.Array
  val_loss: jax.Array
  val_accuracy: jax.Array


class Train(NamedTuple):
  """Pure functions of one training run.

  Attributes:
    start: (key, hyperparameters) -> state.
    run: (state, split, hyperparameters, epochs, epoch_steps, *, room) -> (state,
      evaluations). It makes `epochs` epochs of `epoch_steps` steps and evaluates
      after each. Both may be traced, so that one program serves a run's ragged end
      too; `room` is static, at least `epochs`, and the length of `evaluations`.
  """

  start: Callable[[jax.Array, Hyperparameters], TrainState]
  run: Callable[..., tuple[TrainState, Evaluation]]


def count(rows: Rows) -> int:
  """How many examples there are."""
  return len(jax.tree.leaves(rows)[0])


def steps_per_epoch(examples: int, batch_size: int) -> int:
  """Steps in an epoch; the last batch may be partial."""
  return -(-examples // batch_size)


def _pad(index: jax.Array, length: int) -> tuple[jax.Array, jax.Array]:
  """`index` filled up to `length`, and weights that are 0 for the filling."""
  filling = (0, length - len(index))
  return jnp.pad(index, filling), jnp.pad(jnp.ones(len(index)), filling)


def make_train(
  task: Task,
  make_optimizer: Callable[[Hyperparameters], optax.GradientTransformationExtraArgs],
  batch_size: int,
) -> Train:
  """Builds the training functions.

  Args:
    task: what is learnt.
    make_optimizer: from hyperparameters, which may be traced, to an optimizer. Its
      update is given the batch's own accuracy as `train_accuracy`.
    batch_size: examples a step.
  """

  def objective(params, rows, weights):
    losses, hits = task.score(params, rows)
    total = weights.sum()
    return jnp.vdot(losses, weights) / total, jnp.vdot(hits, weights) / total

  def validate(params, rows):
    examples = count(rows)
    blocks = -(-examples // VALIDATION_BLOCK)
    size = -(-examples // blocks)
    index, weights = _pad(jnp.arange(examples), blocks * size)

    def block(index_and_weights):
      index, weights = index_and_weights
      losses, hits = task.score(params, jax.tree.map(lambda r: r[index], rows))
      return jnp.vdot(losses, weights), jnp.vdot(hits, weights)

    sums = jax.lax.map(block, (index.reshape(blocks, size), weights.reshape(blocks, size)))
    return [s.sum() / examples for s in sums]

  def start(key, hyperparameters):
    init_key, key = jax.random.split(key)
    params = task.init(init_key)
    opt_state = make_optimizer(hyperparameters).init(params)
    return TrainState(params, opt_state, key, jnp.zeros([], jnp.int32))

  def run(state, split, hyperparameters, epochs, epoch_steps, *, room):
    optimizer = make_optimizer(hyperparameters)
    examples = count(split.train)
    batches = steps_per_epoch(examples, batch_size)

    def epoch(i, carry):
      state, evaluations = carry
      shuffle_key, key = jax.random.split(state.key)
      order, weights = _pad(jax.random.permutation(shuffle_key, examples), batches * batch_size)

      def train_step(j, carry):
        params, opt_state, sums = carry
        index, w = (
          jax.lax.dynamic_slice_in_dim(a, j * batch_size, batch_size) for a in (order, weights)
        )
        rows = jax.tree.map(lambda r: r[index], split.train)
        (loss, accuracy), grads = jax.value_and_grad(objective, has_aux=True)(params, rows, w)
        updates, opt_state = optimizer.update(grads, opt_state, params, train_accuracy=accuracy)
        params = optax.apply_updates(params, updates)
        return params, opt_state, sums + w.sum() * jnp.stack([loss, accuracy, 1.0])

      params, opt_state, (loss, accuracy, seen) = jax.lax.fori_loop(
        0, epoch_steps, train_step, (state.params, state.opt_state, jnp.zeros(3))
      )
      step = state.step + epoch_steps
      row = Evaluation(step, loss / seen, accuracy / seen, *validate(params, split.validation))
      evaluations = jax.tree.map(lambda table, value: table.at[i].set(value), evaluations, row)
      return TrainState(params, opt_state, key, step), evaluations

    evaluations = Evaluation(jnp.zeros(room, jnp.int32), *(jnp.zeros(room) for _ in range(4)))
    return jax.lax.fori_loop(0, epochs, epoch, (state, evaluations))

  return Train(start, run)
