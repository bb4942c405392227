"""Flax Linen: `TrainState.apply_gradients` hands no metrics on, the page's does."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn
from flax.core import FrozenDict
from flax.training.train_state import TrainState

import grokfax
from tests.clients import tools
from tests.clients.page import section


class Net(nn.Module):
  @nn.compact
  def __call__(self, x):
    hidden = nn.Dense(8)(x)
    return nn.Dense(1)(jnp.tanh(hidden))


PARAMS = {f"Dense_{i}": {"kernel": w, "bias": b} for i, (w, b) in enumerate(tools.LAYERS)}
apply_gradients = section("Flax Linen")["apply_gradients"]


def trained(tx, params=PARAMS):
  state = TrainState.create(apply_fn=Net().apply, params=params, tx=tx)

  @jax.jit
  def step(state):
    def objective(params):
      return tools.loss_of(state.apply_fn({"params": params}, tools.X))

    (_, accuracy), grads = jax.value_and_grad(objective, has_aux=True)(state.params)
    return apply_gradients(state, grads, train_accuracy=accuracy)

  for _ in range(tools.STEPS):
    state = step(state)
  return [(state.params[name]["kernel"], state.params[name]["bias"]) for name in PARAMS]


@tools.each_method
def test_it_trains_as_the_plain_loop(method):
  layers = trained(tools.OPTIMIZERS[method](grokfax.not_bias))
  tools.assert_trained_alike(layers, tools.OPTIMIZERS[method](tools.WEIGHTS_ALONE))


@pytest.mark.parametrize("kinds", [(FrozenDict, dict), (dict, FrozenDict)])
def test_a_mask_in_another_container(kinds):
  of_params, of_mask = kinds
  mask = of_mask({name: {"kernel": True, "bias": False} for name in PARAMS})
  layers = trained(tools.OPTIMIZERS["compression"](mask), of_params(PARAMS))
  tools.assert_trained_alike(layers, tools.OPTIMIZERS["compression"](tools.WEIGHTS_ALONE))


def test_overwrite_with_gradient():
  """FP8's scales are no parameters to descend on: Flax's own method overwrites them."""
  params = {"params": PARAMS, "_overwrite_with_gradient": {"scale": jnp.ones(3)}}
  tx = optax.chain(grokfax.grokfast_ema(), optax.adam(1e-2))
  state = TrainState.create(apply_fn=None, params=params, tx=tx)
  grads = jax.tree.map(lambda p: jnp.full_like(p, 0.5), params)
  ours, theirs = apply_gradients(state, grads), state.apply_gradients(grads=grads)
  jax.tree.map(np.testing.assert_array_equal, ours.params, theirs.params)
  np.testing.assert_array_equal(ours.params["_overwrite_with_gradient"]["scale"], 0.5)
  jax.tree.map(np.testing.assert_array_equal, ours.opt_state, theirs.opt_state)


@pytest.mark.parametrize("tx", [grokfax.grokfast_ma(5, 1.0), grokfax.grokfast_fir([0.5] * 5)])
def test_parameters_with_sharding_metadata(tx):
  """The spec of a window has an axis more, which no device shares; updates work on boxes."""
  dense = nn.Dense(8, kernel_init=nn.with_partitioning(nn.initializers.ones, ("model", None)))
  params = dense.init(jax.random.key(0), jnp.ones((1, 4)))
  state = tx.init(params)
  spec = nn.get_partition_spec(state).window["params"]["kernel"]
  assert spec == jax.sharding.PartitionSpec(None, "model", None)
  plain, boxed = (nn.meta.unbox(tree) for tree in (params, state))
  update = jax.jit(tx.update)
  for i in range(7):
    grads = jax.tree.map(lambda p, i=i: p * (i + 1.0), params)
    updates, after = update(grads, state, params)
    assert jax.tree.structure(after) == jax.tree.structure(state)
    expected, boxed = update(nn.meta.unbox(grads), boxed, plain)
    assert jax.tree.structure(updates) == jax.tree.structure(grads)
    jax.tree.map(
      lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), nn.meta.unbox(updates), expected
    )
    state = after


def test_a_penalty_on_boxed_parameters():
  init = nn.with_partitioning(nn.initializers.ones, ("model", None))
  bias = nn.with_partitioning(nn.initializers.ones, ("model",))
  dense = nn.Dense(8, kernel_init=init, bias_init=bias)
  params = dense.init(jax.random.key(0), jnp.ones((1, 4)))
  tx = grokfax.frobenius_penalty(0.5, mask=grokfax.not_bias)
  updates, _ = tx.update(jax.tree.map(jnp.zeros_like, params), tx.init(params), params)
  assert jax.tree.structure(updates) == jax.tree.structure(params)
  plain = nn.meta.unbox(updates)["params"]
  np.testing.assert_array_equal(plain["kernel"], 1.0)
  np.testing.assert_array_equal(plain["bias"], 0.0)
