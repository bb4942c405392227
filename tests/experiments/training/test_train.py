"""Training as a pure function: against a plain loop, under vmap, lowered, compiled."""

import functools

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from experiments.methods import METHODS
from experiments.runs import plan, settings
from experiments.tasks import modular
from experiments.tasks.task import split_rows
from experiments.training import train
from experiments.training.train import Split, Train
from tests.experiments.tools import perceptron, plain_step
from tests.helpers import copies_and_scatters, temporary_bytes

# 21 of 42 rows: batches of 8, 8, 5. The transformer is small, and most tests take the perceptron.
SMALL = {"p": 7, "batch_size": 8, "learning_rate": 3e-3, "width": 16, "heads": 2, "layers": 1}


@functools.cache
def parts(**own):
  """A net that compiles in no time with a method's optimizer, jitted; its data and numbers."""
  ours = settings.schema("modular", own.get("method", "baseline"), "adam")
  chosen = settings.make("modular", **{n: v for n, v in SMALL.items() if n in ours}, **own)
  net = perceptron()
  trained = Train(net.init, net.score, plan.train_of(chosen).make_optimizer, 8)
  run = jax.jit(trained.run, static_argnames=("evaluations", "epochs"))
  return trained, run, split_of(1), plan.numbers_of(chosen)


def split_of(seed, operation="mul"):
  return Split(*split_rows(jax.random.key(seed), modular.table(operation, 7), 21))


def close(a, b, tolerance=2e-5):
  jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance), a, b)


@pytest.mark.parametrize("method", ["grokfast_ema", "delayed_compression"])
def test_against_a_plain_loop(method):
  """Python loops, true partial batches, no padding; the order of the rows is read off."""
  own = {"threshold": 0.2} if method == "delayed_compression" else {}
  trained, run, split, numbers = parts(method=method, **own)
  state = trained.init(jax.random.key(0), numbers)
  after, table = run(state, split, numbers, evaluations=4, epochs=1)

  net, optimizer = perceptron(), trained.make_optimizer(numbers)
  step = plain_step(net, optimizer)
  params, opt_state, key = state.params, state.opt_state, state.key
  for epoch in range(4):
    shuffle, key = jax.random.split(key)
    order = np.asarray(jax.random.permutation(shuffle, 21))
    sums = np.zeros(2)
    for batch in (order[:8], order[8:16], order[16:]):
      rows = tuple(column[batch] for column in split.train)
      params, opt_state, loss, accuracy = step(params, opt_state, rows)
      sums += len(batch) * np.asarray([loss, accuracy])
    validation = net.score(params, split.validation)
    expected = {
      "step": 3 * (epoch + 1),
      "train_loss": sums[0] / 21,
      "train_accuracy": sums[1] / 21,
      "val_loss": validation["loss"].mean(),
      "val_accuracy": validation["accuracy"].mean(),
    }
    close({name: float(column[epoch]) for name, column in table.items()}, expected)
  close(after.params, params)
  assert int(after.step) == 12


def test_the_transformer_trains_likewise():
  """Its scores, weighted sums of partial batches and validation in blocks, of the true task."""
  chosen = settings.make("modular", method="baseline", **SMALL)
  trained, split = plan.train_of(chosen), split_of(1)
  numbers = plan.numbers_of(chosen)
  state = jax.jit(trained.init)(jax.random.key(0), numbers)
  after, table = jax.jit(functools.partial(trained.run, evaluations=1, epochs=1))(
    state, split, numbers
  )
  scores = jax.jit(trained.score)(after.params, split.validation)
  close(float(table["val_loss"][0]), float(scores["loss"].mean()))


def test_a_run_in_pieces_is_the_whole_run():
  trained, run, split, numbers = parts(method="grokfast_ma", window_size=4)
  start = trained.init(jax.random.key(0), numbers)
  whole, table = run(start, split, numbers, evaluations=5, epochs=1)
  state, losses = start, []
  for _ in range(5):
    state, row = run(state, split, numbers, evaluations=1, epochs=1)
    losses.append(row["val_loss"])
  close((state.params, state.opt_state), (whole.params, whole.opt_state))
  close(np.concatenate(losses), table["val_loss"])


def test_epochs_between_evaluations():
  """The same run; a row's training figures are means over all examples since the last one."""
  trained, run, split, numbers = parts(method="grokfast_ema")
  start = trained.init(jax.random.key(0), numbers)
  each, every = run(start, split, numbers, evaluations=4, epochs=1)
  state, second = run(start, split, numbers, evaluations=2, epochs=2)
  close(each.params, state.params)
  assert second["step"].tolist() == [6, 12]
  for name in ("loss", "accuracy"):
    close(second[f"val_{name}"], every[f"val_{name}"][1::2])
    close(second[f"train_{name}"], every[f"train_{name}"].reshape(2, 2).mean(1))


def test_vmap_over_seeds_and_hyperparameters():
  """A member's curve is that of its run alone."""
  trained, run, split, numbers = parts(method="grokfast_ema")
  keys = jax.random.split(jax.random.key(3), 3)
  many = {**numbers, "lamb": jnp.asarray([0.0, 1.0, 4.0])}
  axes = ({name: 0 if name == "lamb" else None for name in many},)

  def whole(numbers, key):
    return trained.run(trained.init(key, numbers), split, numbers, evaluations=3, epochs=1)

  together = jax.jit(jax.vmap(whole, in_axes=(*axes, 0)))(many, keys)
  for i, key in enumerate(keys):
    own = {**numbers, "lamb": many["lamb"][i]}
    alone = run(trained.init(key, own), split, own, evaluations=3, epochs=1)
    close(jax.tree.map(lambda leaf: leaf[i], together[1]), alone[1], 1e-4)  # noqa: B023


@pytest.mark.parametrize("method", METHODS)
def test_the_whole_training_lowers_for_accelerators(method):
  trained, _, split, numbers = parts(method=method)

  def whole(key, split, numbers):
    return trained.run(trained.init(key, numbers), split, numbers, evaluations=2, epochs=1)

  platforms = ("tpu", "cuda")
  exported = jax.export.export(jax.jit(whole), platforms=platforms)(
    jax.random.key(0), split, numbers
  )
  assert exported.platforms == platforms


@pytest.mark.usefixtures("fused_as_for_users")
@pytest.mark.parametrize("members", [None, 2])
def test_the_ring_stays_in_place_in_training(members):
  """In an evaluation, with its state donated; and in whole runs side by side, vmap(train)."""
  trained, _, split, numbers = parts(method="grokfast_ma", window_size=50)
  run = functools.partial(trained.run, evaluations=2, epochs=1)

  def whole(key):
    state, table = run(trained.init(key, numbers), split, numbers)
    return state.params, table

  if members is None:
    prefix, windows = (), 1
    state = jax.eval_shape(trained.init, jax.random.key(0), numbers)
    compiled = jax.jit(run, donate_argnums=0).lower(state, split, numbers).compile()
  else:
    prefix, windows = (members,), members + 0.5  # the windows are born inside
    keys = jax.random.split(jax.random.key(0), members)
    compiled = jax.jit(jax.vmap(whole)).lower(keys).compile()
  ring = (*prefix, 50, 2, 7, 16)
  assert f"[{','.join(map(str, ring))}]" in compiled.as_text()
  assert copies_and_scatters(compiled.as_text(), ring, in_loops=members is not None) == []
  window = 50 * 4 * (2 * 7 * 16 + 16 * 7)
  assert temporary_bytes(compiled) < windows * window


def test_data_is_an_argument_not_a_constant():
  """Another seed's split and other numbers must not compile anew."""
  trained, run, split, numbers = parts(method="grokfast_ema")
  state = trained.init(jax.random.key(0), numbers)
  run(state, split, numbers, evaluations=1, epochs=1)
  compiled = run._cache_size()
  other = {**numbers, "alpha": jnp.float32(0.5)}
  run(state, split_of(9, "add"), other, evaluations=1, epochs=1)
  assert run._cache_size() == compiled


def test_fresh_samples_each_step():
  """An epoch is a step; each has examples of its own, drawn by the state's key and the split."""
  slope = jnp.asarray([1.0, -2.0, 3.0])

  def sample(key, slope):
    x = jax.random.normal(key, (8, 3))
    return x, x @ slope

  def score(params, examples):
    x, y = examples
    return {"loss": (x @ params - y) ** 2}

  def optimizer(numbers):
    return optax.with_extra_args_support(optax.sgd(numbers["rate"]))

  trained = Train(lambda key: jnp.zeros(3), score, optimizer, 8, sample=sample)
  held_out = sample(jax.random.key(5), slope)
  numbers = {"rate": jnp.float32(0.1)}
  state = trained.init(jax.random.key(0), numbers)
  split = Split(slope, held_out)
  after, table = trained.run(state, split, numbers, evaluations=3, epochs=2)
  assert table["step"].tolist() == [2, 4, 6]

  params, key, losses = np.zeros(3), state.key, []
  for _ in range(6):
    drawn, key = jax.random.split(key)
    x, y = map(np.asarray, sample(drawn, slope))
    losses.append(np.mean((x @ params - y) ** 2))
    params = params - 0.1 * 2 * x.T @ (x @ params - y) / 8
  np.testing.assert_allclose(after.params, params, rtol=1e-4)
  np.testing.assert_allclose(table["train_loss"], np.reshape(losses, (3, 2)).mean(1), rtol=1e-4)
  assert float(table["val_loss"][-1]) < float(table["val_loss"][0])


def test_a_probe_is_the_best_of_its_batches():
  """The lowest loss and the highest accuracy of a random batch after each epoch."""
  trained, _, split, numbers = parts(method="baseline")
  probing = Train(trained.init_params, trained.score, trained.make_optimizer, 8, probe=5)
  state = probing.init(jax.random.key(0), numbers)
  _, best = jax.jit(functools.partial(probing.run, evaluations=1, epochs=3))(state, split, numbers)
  each = []
  run = jax.jit(functools.partial(probing.run, evaluations=1, epochs=1))
  for _ in range(3):
    state, row = run(state, split, numbers)
    each.append(row)
  for name, choose in (("loss", min), ("accuracy", max)):
    values = [float(row[f"val_batch_{name}"][0]) for row in each]
    assert float(best[f"val_batch_{name}"][0]) == pytest.approx(choose(values), rel=1e-5)
  assert len({float(row["val_batch_loss"][0]) for row in each}) == 3


def test_padded_rows_weigh_nothing():
  index, weights = train.pad(jnp.asarray([4, 2, 7]), 5)
  assert index.tolist() == [4, 2, 7, 0, 0]
  assert weights.tolist() == [1, 1, 1, 0, 0]
