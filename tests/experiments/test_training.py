"""Training as a pure function: against a plain loop, under vmap, lowered, compiled."""

import functools

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import arithmetic, methods, modular, training
from tests.experiments.tools import plain_step, with_key_biases
from tests.helpers import copies_and_scatters, temporary_bytes

SETTINGS = {"p": 7, "batch_size": 8, "learning_rate": 3e-3}  # 21 of 42 rows: batches of 8, 8, 5
# The runs have one room, so that those of a method are one program: it takes long to compile.


@functools.cache
def parts(**settings):
  settings = modular.EXPERIMENT.resolve(modular.Settings(**SETTINGS, **settings))
  rows = arithmetic.table(settings.operation, settings.p)
  split = training.split_rows(jax.random.key(1), rows, modular.train_count(settings))
  train = modular.make(settings)
  run = jax.jit(train.run, static_argnames="room")
  train = train._replace(start=jax.jit(train.start))
  return settings, train, run, split, methods.hyperparameters(settings)


def close(a, b, tolerance=2e-5):
  jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance), a, b)


@pytest.mark.parametrize("method", ["grokfast_ema", "delayed_compression"])
def test_against_a_plain_loop(method):
  """Python loops, true partial batches, no padding; the order of the rows is read off."""
  own = {"threshold": 0.2} if method == "delayed_compression" else {}
  settings, train, run, split, numbers = parts(method=method, **own)
  state = train.start(jax.random.key(0), numbers)
  after, evaluations = run(state, split, numbers, 4, 1, 3, room=5)

  task = arithmetic.task(settings.p)
  optimizer = methods.make_optimizer(settings, numbers)

  step = plain_step(task, optimizer)
  params, opt_state, key = state.params, state.opt_state, state.key
  for epoch in range(4):
    shuffle, key = jax.random.split(key)
    order = np.asarray(jax.random.permutation(shuffle, 21))
    sums = np.zeros(2)
    for batch in (order[:8], order[8:16], order[16:]):
      rows = tuple(column[batch] for column in split.train)
      params, opt_state, loss, accuracy = step(params, opt_state, rows)
      sums += len(batch) * np.asarray([loss, accuracy])
    validation = jax.jit(task.score)(params, split.validation)
    expected = {
      "step": 3 * (epoch + 1),
      "train_loss": sums[0] / 21,
      "train_accuracy": sums[1] / 21,
      "val_loss": validation["loss"].mean(),
      "val_accuracy": validation["accuracy"].mean(),
    }
    close({name: float(column[epoch]) for name, column in evaluations.items()}, expected)
  close(*(with_key_biases(jnp.zeros_like, p) for p in (after.params, params)))
  assert int(after.step) == 12


def test_a_run_in_pieces_is_the_whole_run():
  """Chunks, and a last epoch cut short, come from one program."""
  _, train, run, split, numbers = parts(method="grokfast_ma", window_size=4)
  start = train.start(jax.random.key(0), numbers)
  whole, evaluations = run(start, split, numbers, 5, 1, 3, room=5)
  state, first = run(start, split, numbers, 2, 1, 3, room=5)
  state, second = run(state, split, numbers, 3, 1, 3, room=5)
  close(state.params, whole.params)
  losses = np.concatenate([first["val_loss"][:2], second["val_loss"][:3]])
  close(losses, evaluations["val_loss"])
  assert run._cache_size() == 1
  cut, evaluations = run(start, split, numbers, 1, 1, 2, room=5)
  assert int(cut.step) == 2
  assert evaluations["step"].tolist() == [2, 0, 0, 0, 0]


def test_epochs_between_evaluations():
  """The same run; a row's training figures are means over all examples since the last one."""
  _, train, run, split, numbers = parts(method="grokfast_ema")
  start = train.start(jax.random.key(0), numbers)
  each, every = run(start, split, numbers, 4, 1, 3, room=5)
  state, second = run(start, split, numbers, 2, 2, 3, room=5)
  close(each.params, state.params)
  assert second["step"].tolist() == [6, 12, 0, 0, 0]
  for name in ("loss", "accuracy"):
    close(second[f"val_{name}"][:2], every[f"val_{name}"][1::2])
    close(second[f"train_{name}"][:2], every[f"train_{name}"][:4].reshape(2, 2).mean(1))


def test_vmap_over_seeds_and_hyperparameters():
  """A member's curve is that of its run alone."""
  _, train, run, split, numbers = parts(method="grokfast_ema")
  keys = jax.random.split(jax.random.key(3), 3)
  many = {**numbers, "lamb": jnp.asarray([0.0, 1.0, 4.0])}
  axes = ({name: 0 if name == "lamb" else None for name in many},)

  def whole(numbers, key):
    return train.run(train.start(key, numbers), split, numbers, 3, 1, 3, room=5)

  together = jax.jit(jax.vmap(whole, in_axes=(*axes, 0)))(many, keys)
  for i, key in enumerate(keys):
    numbers_i = {**numbers, "lamb": many["lamb"][i]}
    alone = run(train.start(key, numbers_i), split, numbers_i, 3, 1, 3, room=5)
    close(jax.tree.map(lambda leaf: leaf[i], together[1]), alone[1], 1e-4)  # noqa: B023


@pytest.mark.parametrize("method", methods.METHODS)
def test_the_whole_training_lowers_for_accelerators(method):
  _, train, _, split, numbers = parts(method=method)

  def whole(key, split, numbers):
    return train.run(train.start(key, numbers), split, numbers, 2, 1, 3, room=2)

  platforms = ("tpu", "cuda")
  exported = jax.export.export(jax.jit(whole), platforms=platforms)(
    jax.random.key(0), split, numbers
  )
  assert exported.platforms == platforms


@pytest.mark.parametrize("members", [None, 2])
def test_the_ring_stays_in_place_in_training(members):
  """In a chunk, with its state donated; and in whole runs side by side, vmap(train)."""
  _, train, _, split, numbers = parts(method="grokfast_ma", window_size=50)

  def whole(key):
    state, evaluations = train.run(train.start(key, numbers), split, numbers, 2, 1, 3, room=2)
    return state.params, evaluations

  if members is None:
    prefix, windows = (), 1
    state = jax.eval_shape(train.start, jax.random.key(0), numbers)
    run = jax.jit(train.run, static_argnames="room", donate_argnums=0)
    compiled = run.lower(state, split, numbers, 2, 1, 3, room=2).compile()
  else:
    prefix, windows = (members,), members + 0.5  # the windows are born inside
    keys = jax.random.split(jax.random.key(0), members)
    compiled = jax.jit(jax.vmap(whole)).lower(keys).compile()
  kernel = (*prefix, 50, 128, 512)
  assert f"[{','.join(map(str, kernel))}]" in compiled.as_text()
  assert copies_and_scatters(compiled.as_text(), kernel, in_loops=members is not None) == []
  window = 50 * 4 * (2 * 198_272 + 128 * (9 + 5 + 9) + 256)
  assert temporary_bytes(compiled) < windows * window


def test_data_is_an_argument_not_a_constant():
  """Another seed's split must not compile anew."""
  settings, train, run, split, numbers = parts(method="grokfast_ema")
  state = train.start(jax.random.key(0), numbers)
  run(state, split, numbers, 1, 1, 3, room=5)
  compiled = run._cache_size()
  rows = arithmetic.table("add", settings.p)
  other = training.split_rows(jax.random.key(9), rows, modular.train_count(settings))
  run(state, other, {**numbers, "alpha": jnp.float32(0.5)}, 1, 1, 3, room=5)
  assert run._cache_size() == compiled


def test_padded_rows_weigh_nothing():
  index, weights = training._pad(jnp.asarray([4, 2, 7]), 5)
  assert index.tolist() == [4, 2, 7, 0, 0]
  assert weights.tolist() == [1, 1, 1, 0, 0]
