"""The MLP: by hand, and its size."""

import jax
import numpy as np
import pytest
from flax import nnx

from experiments import mnist
from experiments.cli import UsageError


def test_the_model_and_loss_by_hand():
  task = mnist.task(8.0)
  params = task.init(jax.random.key(0))
  rng = np.random.default_rng(0)
  images, labels = rng.integers(0, 256, (6, 28, 28), np.uint8), np.arange(6, dtype=np.uint8)
  scores = task.score(params, mnist.rows(images, labels))

  layers = jax.tree.map(np.asarray, nnx.to_pure_dict(params)["layers"])
  x = images.reshape(6, 784) / 255
  for i in (0, 2, 4):
    assert np.abs(layers[i]["kernel"]).max() == pytest.approx(8 * x.shape[1] ** -0.5, rel=0.01)
    x = x @ layers[i]["kernel"] + layers[i]["bias"]
    x = np.maximum(x, 0) if i < 4 else x
  np.testing.assert_allclose(scores["loss"], ((x - np.eye(10)[:6]) ** 2).mean(1), rtol=1e-4)
  assert scores["accuracy"].tolist() == (x.argmax(1) == labels).tolist()


@pytest.mark.parametrize(
  ("settings", "message"),
  [
    ({"init_scale": 0.0}, "--init-scale must be above 0; got 0.0"),
    ({"batch_size": 1_001}, "--batch-size must be from 1 to the 1,000 training images; got 1001"),
  ],
)
def test_refused(settings, message):
  with pytest.raises(UsageError, match=message):
    mnist.EXPERIMENT.resolve(mnist.Settings(**settings))
