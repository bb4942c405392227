"""Training as one pure function of (key, data, hyperparameters).

`make_train` returns functions that may be jitted, scanned and vmapped: epochs and
steps are loops on the device, and what comes back is a small table of metrics, one
row for each evaluation.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import optax

Params: TypeAlias = Any
Rows: TypeAlias = Any  # a tree of arrays whose first axis counts examples
Hyperparameters: TypeAlias = dict[str, jax.typing.ArrayLike]
Scores: TypeAlias = dict[str, jax.Array]
Evaluations: TypeAlias = dict[str, jax.Array]

VALIDATION_BLOCK = 1200  # examples at a time: activations that stay in the cache


class Task(NamedTuple):
  """What is learnt.

  Attributes:
    init: key -> params.
    score: (params, rows) -> scores by name, each float (B,): the "loss" of each
      example, whose mean is minimised; and, where answers are right or wrong, its
      "accuracy", 1 or 0.
  """

  init: Callable[[jax.Array], Params]
  score: Callable[[Params, Rows], Scores]


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


class Train(NamedTuple):
  """Pure functions of one training run.

  Attributes:
    start: (key, hyperparameters) -> state.
    run: (state, split, hyperparameters, evaluations, epochs, epoch_steps, *, room,
      batch_sharding=None) -> (state, table). It makes `evaluations` times `epochs`
      epochs of `epoch_steps` steps, and evaluates after each `epochs`. All three may be
      traced, so that one program serves a run's ragged end too; `room` is static, at
      least `evaluations`, and the length of the table's columns: "step"; of each score the
      mean "train_..." over the examples since the last evaluation, each batch before
      its own update; and the mean "val_..." over the whole held-out part.
      `batch_sharding` divides a batch's examples among devices.
  """

  start: Callable[[jax.Array, Hyperparameters], TrainState]
  run: Callable[..., tuple[TrainState, Evaluations]]


def count(rows: Rows) -> int:
  """How many examples there are."""
  return len(jax.tree.leaves(rows)[0])


def steps_per_epoch(examples: int, batch_size: int) -> int:
  """Steps in an epoch; the last batch may be partial."""
  return -(-examples // batch_size)


@functools.partial(jax.jit, static_argnames="training")
def split_rows(key: jax.Array, rows: Rows, training: int) -> Split:
  """A random split: `training` rows to train on, the others to validate."""
  order = jax.random.permutation(key, count(rows))
  parts = (order[:training], order[training:])
  return Split(*(jax.tree.map(lambda c: jnp.asarray(c)[index], rows) for index in parts))  # noqa: B023


def _pad(index: jax.Array, length: int) -> tuple[jax.Array, jax.Array]:
  """`index` filled up to `length`, and weights that are 0 for the filling."""
  filling = (0, length - len(index))
  return jnp.pad(index, filling), jnp.pad(jnp.ones(len(index)), filling)


def make_train(
  task: Task,
  make_optimizer: Callable[[Hyperparameters], optax.GradientTransformationExtraArgs],
  batch_size: int,
  validation_batch: int | None = None,
) -> Train:
  """Builds the training functions.

  Args:
    task: what is learnt.
    make_optimizer: from hyperparameters, which may be traced, to an optimizer. Its
      update is given the batch's own scores as `train_loss`, `train_accuracy`.
    batch_size: examples a step.
    validation_batch: after each epoch score so many held-out examples too, drawn anew.
      Some references report the best score that a run ever had on such a batch.
  """

  def weighted(scores, weights):
    return jax.tree.map(lambda s: jnp.vdot(s, weights), scores)

  def objective(params, rows, weights):
    sums = weighted(task.score(params, rows), weights)
    return sums["loss"] / weights.sum(), sums

  def validate(params, rows):
    examples = count(rows)
    blocks = -(-examples // VALIDATION_BLOCK)
    size = -(-examples // blocks)
    index, weights = _pad(jnp.arange(examples), blocks * size)

    def block(index_and_weights):
      index, weights = index_and_weights
      return weighted(task.score(params, jax.tree.map(lambda r: r[index], rows)), weights)

    sums = jax.lax.map(block, (index.reshape(blocks, size), weights.reshape(blocks, size)))
    return jax.tree.map(lambda s: s.sum() / examples, sums)

  def glance(params, rows, key):
    assert validation_batch is not None
    index = jax.random.choice(key, count(rows), [validation_batch], replace=False)
    scores = task.score(params, jax.tree.map(lambda r: r[index], rows))
    return {f"val_batch_{name}": score.mean() for name, score in scores.items()}

  def start(key, hyperparameters):
    init_key, key = jax.random.split(key)
    params = task.init(init_key)
    opt_state = make_optimizer(hyperparameters).init(params)
    return TrainState(params, opt_state, key, jnp.zeros([], jnp.int32))

  def run(
    state,
    split,
    hyperparameters,
    evaluations,
    epochs,
    epoch_steps,
    *,
    room,
    batch_sharding=None,
  ):
    optimizer = make_optimizer(hyperparameters)
    examples = count(split.train)
    batches = steps_per_epoch(examples, batch_size)
    scores = tuple(jax.eval_shape(task.score, state.params, split.train))
    worst = {f"val_batch_{n}": -jnp.inf if n == "accuracy" else jnp.inf for n in scores}
    worst = worst if validation_batch else {}

    def better(name, one, other):
      return (jnp.fmax if name == "val_batch_accuracy" else jnp.fmin)(one, other)

    def epoch(_, carry):
      state, sums, best = carry
      shuffle_key, key = jax.random.split(state.key)
      order, weights = _pad(jax.random.permutation(shuffle_key, examples), batches * batch_size)

      def train_step(j, carry):
        params, opt_state, sums = carry
        index, w = (
          jax.lax.dynamic_slice_in_dim(a, j * batch_size, batch_size) for a in (order, weights)
        )
        rows = jax.tree.map(lambda r: r[index], split.train)
        if batch_sharding is not None:
          rows = jax.lax.with_sharding_constraint(rows, batch_sharding)
        (_, batch), grads = jax.value_and_grad(objective, has_aux=True)(params, rows, w)
        seen = w.sum()
        metrics = {f"train_{name}": total / seen for name, total in batch.items()}
        updates, opt_state = optimizer.update(grads, opt_state, params, **metrics)
        sums = jax.tree.map(jnp.add, sums, {**batch, "examples": seen})
        return optax.apply_updates(params, updates), opt_state, sums

      params, opt_state, sums = jax.lax.fori_loop(
        0, epoch_steps, train_step, (state.params, state.opt_state, sums)
      )
      if validation_batch:
        glance_key = jax.random.fold_in(shuffle_key, 2**31)  # none that the shuffle splits off
        here = glance(params, split.validation, glance_key)
        best = {name: better(name, best[name], value) for name, value in here.items()}
      return TrainState(params, opt_state, key, state.step + epoch_steps), sums, best

    def evaluation(i, carry):
      state, table = carry
      sums = dict.fromkeys((*scores, "examples"), jnp.zeros([]))
      best = jax.tree.map(jnp.asarray, worst)
      state, sums, best = jax.lax.fori_loop(0, epochs, epoch, (state, sums, best))
      row = {"step": state.step, **best}
      row |= {f"train_{name}": sums[name] / sums["examples"] for name in scores}
      row |= {f"val_{name}": v for name, v in validate(state.params, split.validation).items()}
      return state, jax.tree.map(lambda column, value: column.at[i].set(value), table, row)

    columns = [f"{part}_{name}" for part in ("train", "val") for name in scores] + [*worst]
    table = dict.fromkeys(columns, jnp.zeros(room)) | {"step": jnp.zeros(room, jnp.int32)}
    return jax.lax.fori_loop(0, evaluations, evaluation, (state, table))

  return Train(start, run)
