"""Equinox: a model is a tree of arrays and functions; the optimizer has its arrays."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import grokfax
from tests.clients import tools
from tests.clients.page import section

eqx = pytest.importorskip("equinox")


def net():
  model = eqx.nn.MLP(3, 1, 8, 1, activation=jnp.tanh, key=jax.random.key(0))
  arrays = [array for w, b in tools.LAYERS for array in (jnp.asarray(w.T), jnp.asarray(b))]
  return eqx.tree_at(
    lambda m: [a for layer in m.layers for a in (layer.weight, layer.bias)], model, arrays
  )


def trained(tx):
  model = net()
  state = tx.init(eqx.filter(model, eqx.is_inexact_array))

  @eqx.filter_jit
  def step(model, state):
    objective = eqx.filter_value_and_grad(
      lambda m: tools.loss_of(jax.vmap(m)(tools.X)), has_aux=True
    )
    (_, accuracy), grads = objective(model)
    params = eqx.filter(model, eqx.is_inexact_array)
    updates, state = tx.update(grads, state, params, train_accuracy=accuracy)
    return eqx.apply_updates(model, updates), state

  for _ in range(tools.STEPS):
    model, state = step(model, state)
  return [(layer.weight.T, layer.bias) for layer in model.layers]


@tools.each_method
def test_it_trains_as_the_plain_loop(method):
  layers = trained(tools.OPTIMIZERS[method](grokfax.not_bias))
  tools.assert_trained_alike(layers, tools.OPTIMIZERS[method](tools.WEIGHTS_ALONE))


def test_a_module_of_bools_is_a_mask():
  """It can be called, as the model can, and is a tree all the same."""
  mask = grokfax.not_bias(eqx.filter(net(), eqx.is_inexact_array))
  assert callable(mask)
  tools.assert_trained_alike(
    trained(tools.OPTIMIZERS["compression"](mask)),
    tools.OPTIMIZERS["compression"](tools.WEIGHTS_ALONE),
  )


def test_biases_of_layers():
  """A GRU cell has a `bias_n` beside its `bias`."""
  key = jax.random.key(0)
  cell, norm = eqx.nn.GRUCell(2, 3, key=key), eqx.nn.LayerNorm(3)
  mask = grokfax.not_bias(eqx.filter((cell, norm), eqx.is_inexact_array))
  assert (mask[0].weight_ih, mask[0].weight_hh, mask[1].weight) == (True, True, True)
  assert (mask[0].bias, mask[0].bias_n, mask[1].bias) == (False, False, False)


@pytest.mark.parametrize(
  "tx", [grokfax.grokfast_ema(), grokfax.grokfast_ma(3), grokfax.grokfast_iir([1], [1, -0.5])]
)
def test_a_model_that_was_not_filtered(tx):
  with pytest.raises(ValueError, match=r"^the parameter activation must be an array.*$"):
    tx.init(eqx.nn.MLP(3, 1, 8, 1, key=jax.random.key(0)))


def test_a_frozen_layer():
  """What is filtered out has no gradient, and stays."""
  model = net()
  where = eqx.tree_at(lambda m: m.layers[0], jax.tree.map(lambda _: True, model), replace=False)
  trainable = eqx.filter(eqx.filter(model, where), eqx.is_inexact_array)
  tx = grokfax.delayed_compression(0.1, 0.5, mask=grokfax.not_bias)
  updates, _ = tx.update(trainable, tx.init(trainable), trainable, train_accuracy=1.0)
  np.testing.assert_allclose(updates.layers[1].weight, 1.2 * model.layers[1].weight, rtol=1e-6)
  assert updates.layers[0].weight is None


def test_the_page_s_section():
  section("Equinox")
