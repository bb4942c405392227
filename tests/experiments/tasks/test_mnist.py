"""The MLP: by hand, and its size."""

import jax
import numpy as np
import pytest
from flax import nnx

from experiments.fields import UsageError
from experiments.runs import settings
from experiments.tasks import mnist
from experiments.tasks.task import score


def test_the_model_and_loss_by_hand():
  model = mnist.model(mnist.Settings())
  params = model.init(jax.random.key(0))
  rng = np.random.default_rng(0)
  images, labels = rng.integers(0, 256, (6, 28, 28), np.uint8), np.arange(6, dtype=np.uint8)
  scores = score(model, params, mnist.examples(images, labels))

  layers = jax.tree.map(np.asarray, nnx.to_pure_dict(params)["layers"])
  x = images.reshape(6, 784) / 255
  for i in (0, 2, 4):
    assert np.abs(layers[i]["kernel"]).max() == pytest.approx(8 * x.shape[1] ** -0.5, rel=0.01)
    x = x @ layers[i]["kernel"] + layers[i]["bias"]
    x = np.maximum(x, 0) if i < 4 else x
  np.testing.assert_allclose(scores["loss"], ((x - np.eye(10)[:6]) ** 2).mean(1), rtol=1e-4)
  assert scores["accuracy"].tolist() == (x.argmax(1) == labels).tolist()


@pytest.mark.parametrize(
  ("given", "told"),
  [
    ({"init_scale": 0.0}, "--init-scale .*0.0"),
    ({"init_scale": float("inf")}, "--init-scale .*inf"),
    ({"batch_size": 0}, "--batch-size .*0"),
    ({"batch_size": 1_001}, "--batch-size .*1,000.*1001"),
  ],
)
def test_refused(given, told):
  with pytest.raises(UsageError, match=told):
    settings.make("mnist", **given)
