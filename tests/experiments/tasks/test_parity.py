"""Sparse parity: its sets, its secret, its loss."""

import itertools

import jax
import numpy as np
import pytest
from flax import nnx

from experiments.fields import UsageError
from experiments.runs import plan, settings
from experiments.tasks import TASKS
from experiments.tasks.task import score

PARITY = TASKS["parity"]


def begun(seed=0, **own):
  """The task's settings and data of a run."""
  made = settings.make("parity", seed=seed, **own)
  return made.of_task, plan.init_of(made)[0].split


def secret_of(x, y, k):
  """The only k coordinates whose number of -1 is odd wherever the answer is -1."""
  negative = x < 0
  sets = itertools.combinations(range(x.shape[1]), k)
  (found,) = (s for s in sets if np.array_equal(negative[:, s].sum(1) % 2 == 1, y < 0))
  return found


@pytest.mark.parametrize(("n", "k"), [(20, 3), (12, 12), (60, 2)])
def test_a_training_set_and_what_is_held_out(n, k):
  _, split = begun(n=n, k=k, samples=600)
  (x, y), (held_x, held_y) = (map(np.asarray, part) for part in split)
  assert (x.shape, y.shape, held_x.shape, held_y.shape) == ((600, n), (600,), (1_000, n), (1_000,))
  all_x, all_y = np.concatenate([x, held_x]), np.concatenate([y, held_y])
  assert len(np.unique(all_x, axis=0)) == 1_600, "none is held out and trained on, or there twice"
  assert set(all_x.ravel().tolist()) == set(all_y.tolist()) == {-1, 1}
  assert np.abs(all_x.mean(0)).max() < 5 / 1_600**0.5
  assert abs(all_y.mean()) < 5 / 1_600**0.5
  assert len(secret_of(all_x, all_y, k)) == k


def test_fresh_samples_share_the_secret_of_the_run():
  found = []
  for seed in range(4):
    own, split = begun(seed, batch_size=2_000)
    held_out = tuple(map(np.asarray, split.validation))
    assert len(np.unique(held_out[0], axis=0)) == 1_000
    drawn = [PARITY.sample(own)(jax.random.key(i), split.train) for i in range(2)]
    for x, y in map(np.asarray, drawn[0]), map(np.asarray, drawn[1]):
      assert secret_of(x, y, 3) == secret_of(*held_out, 3)
      assert np.abs(x.mean(0)).max() < 5 / 2_000**0.5
    assert not np.array_equal(drawn[0][0], drawn[1][0])
    found.append(secret_of(*held_out, 3))
    assert found[-1] == secret_of(*map(np.asarray, begun(seed, samples=50)[1].validation), 3)
  assert len(set(found)) > 1


def test_the_model_and_loss_by_hand():
  own, split = begun(width=64)
  model = PARITY.model(own)
  params = model.init(jax.random.key(0))
  scores = score(model, params, split.validation)
  layers = jax.tree.map(np.asarray, nnx.to_pure_dict(params)["layers"])
  x, y = map(np.asarray, split.validation)
  hidden = np.maximum(x @ layers[0]["kernel"] + layers[0]["bias"], 0)
  out = (hidden @ layers[2]["kernel"] + layers[2]["bias"])[:, 0]
  np.testing.assert_allclose(scores["loss"], np.maximum(1 - out * y, 0), rtol=1e-4, atol=1e-6)
  assert scores["accuracy"].tolist() == (np.sign(out) == y).tolist()


@pytest.mark.parametrize(
  ("given", "told"),
  [
    ({"k": 0}, "--k"),
    ({"k": 21}, "--k must be at most --n 20; got 21"),
    ({"n": 9}, "--n must be from 10 to 60"),
    ({"n": 10, "samples": 25}, "--samples must be at most 24"),
    ({"samples": -1}, "--samples"),
    ({"samples": 31}, "--batch-size must be from 1 to the 31 training examples; got 32"),
    ({"width": 0}, "--width"),
  ],
)
def test_refused(given, told):
  with pytest.raises(UsageError, match=told):
    settings.make("parity", **given)
