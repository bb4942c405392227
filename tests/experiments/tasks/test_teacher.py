"""Teacher and student: the sets, what the teacher answers, and the student by hand."""

import jax
import numpy as np
import pytest
from flax import nnx

from experiments.fields import UsageError
from experiments.runs import plan, settings
from experiments.tasks import TASKS
from experiments.tasks.task import score

TEACHER = TASKS["teacher"]


def begun(seed=0, **own):
  """The task's settings and data of a run."""
  made = settings.make("teacher", seed=seed, **own)
  return made.of_task, plan.init_of(made)[0].split


def answers(teacher, x):
  hidden, out = np.float64(teacher.hidden), np.float64(teacher.out)
  return np.tanh(np.float64(x) @ hidden) @ out


def test_all_examples_are_of_the_run_s_one_teacher():
  teachers = []
  for seed in range(2):
    own, fresh = begun(seed, samples=0, batch_size=300)
    _, fixed = begun(seed, samples=300)
    teacher = fresh.train
    assert fixed.train[0].shape == (300, own.inputs)
    for x, y in (
      fixed.train, fixed.validation, fresh.validation,
      *(TEACHER.sample(own)(jax.random.key(i), teacher) for i in range(2)),
    ):  # fmt: skip
      np.testing.assert_allclose(y, answers(teacher, x), atol=1e-4)
    x = np.concatenate([fixed.train[0], fixed.validation[0]])
    assert len(np.unique(x, axis=0)) == 1_300, "none is held out and trained on"
    assert abs(x.mean()) < 0.05
    assert x.std() == pytest.approx(1, abs=0.05)
    assert np.std(fixed.validation[1]) == pytest.approx(1, rel=1e-4)
    teachers.append(np.asarray(teacher.hidden))
  assert not np.allclose(*teachers)


def test_the_student_and_its_loss_by_hand():
  own, split = begun(init_scale=3.0)
  model = TEACHER.model(own)
  params = model.init(jax.random.key(0))
  layers = jax.tree.map(np.asarray, nnx.to_pure_dict(params)["layers"])
  assert np.abs(layers[0]["kernel"]).max() == pytest.approx(3 * own.inputs**-0.5, rel=0.01)
  x, y = map(np.asarray, split.validation)
  out = np.tanh(x @ layers[0]["kernel"] + layers[0]["bias"]) @ layers[2]["kernel"]
  expected = (out[:, 0] + layers[2]["bias"] - y) ** 2
  np.testing.assert_allclose(score(model, params, (x, y))["loss"], expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
  ("given", "told"),
  [
    ({"samples": -1}, "--samples"),
    ({"samples": 10}, "--batch-size must be from 1 to the 10 training examples"),
    ({"init_scale": 0.0}, "--init-scale"),
    ({"inputs": 0}, "--inputs"),
    ({"method": "delayed_compression"}, "--method"),
  ],
)
def test_refused(given, told):
  with pytest.raises(UsageError, match=told):
    settings.make("teacher", **given)
