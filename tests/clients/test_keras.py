"""Keras on JAX: variables have paths, their values are a list."""

import os

import jax
import numpy as np
import optax
import pytest

import grokfax
from tests.clients import tools
from tests.clients.page import section

os.environ.setdefault("KERAS_BACKEND", "jax")
keras = pytest.importorskip("keras")


def net():
  model = keras.Sequential(
    [keras.layers.Input((3,)), keras.layers.Dense(8, activation="tanh"), keras.layers.Dense(1)]
  )
  model.set_weights([array for layer in tools.LAYERS for array in layer])
  return model


def trained(model, tx, params, values_of):
  state = tx.init(params)

  @jax.jit
  def step(params, state):
    def objective(params):
      return tools.loss_of(model.stateless_call(values_of(params), [], tools.X)[0])

    (_, accuracy), grads = jax.value_and_grad(objective, has_aux=True)(params)
    updates, state = tx.update(grads, state, params, train_accuracy=accuracy)
    return optax.apply_updates(params, updates), state

  for _ in range(tools.STEPS):
    params, state = step(params, state)
  values = values_of(params)
  return [values[:2], values[2:]]


@tools.each_method
def test_it_trains_as_the_plain_loop(method):
  """Parameters by the variables' paths."""
  model = net()
  variables = model.trainable_variables
  params = {variable.path: variable.value for variable in variables}
  tx = tools.OPTIMIZERS[method](grokfax.not_bias)
  layers = trained(model, tx, params, lambda params: [params[v.path] for v in variables])
  tools.assert_trained_alike(layers, tools.OPTIMIZERS[method](tools.WEIGHTS_ALONE))


def test_a_list_of_values_with_the_variables_mask():
  """A list has no names; its mask is made of the variables, which have."""
  model = net()
  mask = grokfax.not_bias(model.trainable_variables)
  assert mask == [True, False, True, False]
  tx = tools.OPTIMIZERS["compression"](mask)
  layers = trained(model, tx, [v.value for v in model.trainable_variables], list)
  tools.assert_trained_alike(layers, tools.OPTIMIZERS["compression"](tools.WEIGHTS_ALONE))


def test_biases_of_layers():
  model = keras.Sequential(
    [
      keras.layers.Input((5, 3)),
      keras.layers.LSTM(4, return_sequences=True),
      keras.layers.LayerNormalization(),
      keras.layers.MultiHeadAttention(2, 2),
    ][:3]
  )
  names = [v.path.split("/")[-1] for v in model.trainable_variables]
  assert names == ["kernel", "recurrent_kernel", "bias", "gamma", "beta"]
  np.testing.assert_array_equal(
    grokfax.not_bias(model.trainable_variables), [True, True, False, True, False]
  )


def test_the_page_s_section():
  section("Keras")
