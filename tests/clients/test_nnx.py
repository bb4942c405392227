"""Flax NNX: `nnx.Optimizer` hands metrics on."""

import jax
import jax.numpy as jnp
import optax
import pytest
from flax import nnx

import grokfax
from tests.clients import tools
from tests.clients.page import section
from tests.helpers import needs_devices


class Net(nnx.Module):
  def __init__(self, rngs: nnx.Rngs):
    self.one, self.two = nnx.Linear(3, 8, rngs=rngs), nnx.Linear(8, 1, rngs=rngs)

  def __call__(self, x):
    return self.two(jnp.tanh(self.one(x)))


def made():
  model = Net(nnx.Rngs(0))
  own = {
    name: {"kernel": w, "bias": b}
    for name, (w, b) in zip(("one", "two"), tools.LAYERS, strict=True)
  }
  nnx.update(model, jax.tree.map(jnp.asarray, own))
  return model


def layers_of(model):
  state = nnx.to_pure_dict(nnx.state(model))
  return [(state[name]["kernel"], state[name]["bias"]) for name in ("one", "two")]


@nnx.jit
def train_step(model, optimizer):
  (_, accuracy), grads = nnx.value_and_grad(
    lambda model: tools.loss_of(model(tools.X)), has_aux=True
  )(model)
  optimizer.update(model, grads, train_accuracy=accuracy)


@tools.each_method
def test_it_trains_as_the_plain_loop(method):
  model = made()
  optimizer = nnx.Optimizer(model, tools.OPTIMIZERS[method](grokfax.not_bias), wrt=nnx.Param)
  for _ in range(tools.STEPS):
    train_step(model, optimizer)
  tools.assert_trained_alike(layers_of(model), tools.OPTIMIZERS[method](tools.WEIGHTS_ALONE))


@pytest.mark.parametrize("as_state", [True, False])
def test_a_mask_from_the_model_s_state(as_state):
  """The optimizer is given pure trees; the mask is matched by its paths."""
  model = made()
  state = nnx.state(model, nnx.Param)
  mask = grokfax.not_bias(state if as_state else nnx.to_pure_dict(state))
  optimizer = nnx.Optimizer(model, tools.OPTIMIZERS["compression"](mask), wrt=nnx.Param)
  for _ in range(tools.STEPS):
    train_step(model, optimizer)
  tools.assert_trained_alike(layers_of(model), tools.OPTIMIZERS["compression"](tools.WEIGHTS_ALONE))


@needs_devices(8)
@pytest.mark.parametrize("window_size", [3, 4, 8])
@pytest.mark.parametrize("make", [grokfax.grokfast_ma, lambda n: grokfax.grokfast_fir([1 / n] * n)])
def test_a_model_with_sharding_metadata(make, window_size):
  """A window has an axis before those that the parameter's spec names."""
  mesh = jax.make_mesh((2, 4), ("data", "model"), axis_types=(jax.sharding.AxisType.Auto,) * 2)
  init = nnx.with_partitioning(nnx.initializers.lecun_normal(), ("model", None))
  with jax.set_mesh(mesh):
    model = nnx.Linear(4, 8, kernel_init=init, rngs=nnx.Rngs(0))
    tx = optax.chain(make(window_size), optax.adam(1e-3))
    optimizer = nnx.Optimizer(model, tx, wrt=nnx.Param)

    @nnx.jit
    def step(model, optimizer):
      grads = nnx.grad(lambda model: jnp.mean(model(jnp.ones((2, 4))) ** 2))(model)
      optimizer.update(model, grads)

    for _ in range(2):
      step(model, optimizer)
  state = nnx.state(optimizer.opt_state)
  shapes = jax.tree.map(jnp.shape, nnx.as_pure(state))
  specs = nnx.as_pure(nnx.get_partition_spec(state))
  window, spec = (nnx.to_pure_dict(tree)[0]["window"]["kernel"] for tree in (shapes, specs))
  assert window == (window_size, 4, 8)
  assert spec == jax.sharding.PartitionSpec(None, "model", None)


def test_the_page_s_section():
  section("Flax NNX")
