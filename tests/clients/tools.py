"""What a framework is compared with: a small net that is trained in the plain Optax loop."""

import itertools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import grokfax

STEPS, SIZES = 12, (3, 8, 1)
_RNG = np.random.default_rng(0)
X = jnp.asarray(_RNG.normal(size=(32, SIZES[0])), jnp.float32)
Y = jnp.sin(X.sum(axis=1, keepdims=True))
# Two layers, (W, b) each, W of (in, out).
LAYERS = [
  (
    _RNG.normal(size=shape).astype(np.float32) / 2,
    _RNG.normal(size=shape[1:]).astype(np.float32) / 2,
  )
  for shape in itertools.pairwise(SIZES)
]
# What is trained with, by the mask of its penalty; its metric crosses the threshold on the way.
OPTIMIZERS: dict[str, Callable[[Any], optax.GradientTransformationExtraArgs]] = {
  "ema": lambda mask: optax.chain(grokfax.grokfast_ema(0.9), optax.adam(0.02)),
  "ma": lambda mask: optax.chain(grokfax.grokfast_ma(4, 2.0), optax.adam(0.02)),
  "compression": lambda mask: grokfax.delayed_compression_adam(0.02, 0.1, 0.82, mask=mask),
}
# For trainers that hand no metric on: the same penalty from a step on.
WITHOUT_METRICS = {
  **OPTIMIZERS,
  "compression": lambda mask: optax.chain(
    grokfax.gate(grokfax.frobenius_penalty(0.1, mask=mask), grokfax.from_step(5)), optax.adam(0.02)
  ),
}
WEIGHTS_ALONE = {str(i): {"kernel": True, "bias": False} for i in range(len(LAYERS))}
each_method = pytest.mark.parametrize("method", OPTIMIZERS)


def loss_of(prediction: jax.Array) -> tuple[jax.Array, jax.Array]:
  """The loss, and a training accuracy."""
  return jnp.mean((prediction - Y) ** 2), jnp.mean((prediction > 0) == (Y > 0))


def forward(params: Any, x: jax.Array) -> jax.Array:
  one, two = params["0"], params["1"]
  return jnp.tanh(x @ one["kernel"] + one["bias"][None]) @ two["kernel"] + two["bias"][None]


def plain(tx: optax.GradientTransformationExtraArgs) -> list[Any]:
  """The layers after the plain Optax loop."""
  params = {
    str(i): {"kernel": jnp.asarray(w), "bias": jnp.asarray(b)} for i, (w, b) in enumerate(LAYERS)
  }
  state, accuracies = tx.init(params), []

  @jax.jit
  def step(params, state):
    objective = jax.value_and_grad(lambda params: loss_of(forward(params, X)), has_aux=True)
    (loss, accuracy), grads = objective(params)
    metrics = {"train_accuracy": accuracy, "value": loss}
    updates, state = tx.update(grads, state, params, **metrics)
    return optax.apply_updates(params, updates), state, accuracy

  for _ in range(STEPS):
    params, state, accuracy = step(params, state)
    accuracies.append(float(accuracy))
  assert min(accuracies) < 0.82 < max(accuracies), accuracies
  return [(params[str(i)]["kernel"], params[str(i)]["bias"]) for i in range(len(LAYERS))]


def assert_trained_alike(layers: Any, tx: optax.GradientTransformationExtraArgs) -> None:
  """These layers are what the plain loop gives, and are not where they began."""
  for (w, b), (u, v), (first, _) in zip(layers, plain(tx), LAYERS, strict=True):
    np.testing.assert_allclose(np.asarray(w), u, rtol=2e-5, atol=2e-6)
    np.testing.assert_allclose(np.asarray(b).reshape(v.shape), v, rtol=2e-5, atol=2e-6)
    assert np.abs(u - first).max() > 1e-2
