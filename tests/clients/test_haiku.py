"""Haiku: parameters are `w` and `b`, `scale` and `offset`, below the names of modules."""

import jax
import jax.numpy as jnp
import optax
import pytest

import grokfax
from tests.clients import tools
from tests.clients.page import section

hk = pytest.importorskip("haiku")

NET = hk.without_apply_rng(
  hk.transform(lambda x: hk.nets.MLP([8, 1], activation=jnp.tanh, name="mlp")(x))
)


@tools.each_method
def test_it_trains_as_the_plain_loop(method):
  tx = tools.OPTIMIZERS[method](grokfax.not_bias)
  params = NET.init(jax.random.key(0), tools.X)
  names = ["mlp/~/linear_0", "mlp/~/linear_1"]
  assert list(params) == names
  params = {n: {"w": w, "b": b} for n, (w, b) in zip(names, tools.LAYERS, strict=True)}
  state = tx.init(params)

  @jax.jit
  def step(params, state):
    objective = jax.value_and_grad(
      lambda params: tools.loss_of(NET.apply(params, tools.X)), has_aux=True
    )
    (_, accuracy), grads = objective(params)
    updates, state = tx.update(grads, state, params, train_accuracy=accuracy)
    return optax.apply_updates(params, updates), state

  for _ in range(tools.STEPS):
    params, state = step(params, state)
  layers = [(params[name]["w"], params[name]["b"]) for name in names]
  tools.assert_trained_alike(layers, tools.OPTIMIZERS[method](tools.WEIGHTS_ALONE))


def test_biases_of_modules():
  def net(x):
    x = hk.LayerNorm(-1, True, True)(hk.Conv1D(4, 3)(x))
    x, _ = hk.dynamic_unroll(hk.GRU(5), x, hk.GRU(5).initial_state(None))
    return hk.Embed(7, 2)(jnp.zeros(3, int)), x

  params = hk.transform(net).init(jax.random.key(0), jnp.ones((6, 3)))
  mask = grokfax.not_bias(params)
  penalised = {name: {leaf for leaf, p in own.items() if p} for name, own in mask.items()}
  assert {name: own for name, own in penalised.items() if own} == {
    "conv1_d": {"w"}, "layer_norm": {"scale"}, "gru": {"w_i", "w_h"}, "embed": {"embeddings"}
  }  # fmt: skip


def test_the_page_s_section():
  section("Haiku")
