"""Trainers that hand no metric on: numpyro, penzai; optimistix hands on the loss as `value`."""

import jax
import jax.numpy as jnp
import optax
import pytest

import grokfax
from tests.clients import tools
from tests.clients.page import section

PARAMS = {
  f"{name}{i}": a for i, pair in enumerate(tools.LAYERS) for name, a in zip("wb", pair, strict=True)
}


def loss_by_name(params):
  nested = {str(i): {"kernel": params[f"w{i}"], "bias": params[f"b{i}"]} for i in range(2)}
  return tools.loss_of(tools.forward(nested, tools.X))[0]


def layers_of(params):
  return [(params[f"w{i}"], params[f"b{i}"]) for i in range(2)]


@tools.each_method
def test_numpyro(method):
  numpyro = pytest.importorskip("numpyro")

  def model():
    params = {name: numpyro.param(name, jnp.asarray(a)) for name, a in PARAMS.items()}
    numpyro.factor("loss", -loss_by_name(params))

  optimizer = numpyro.optim.optax_to_numpyro(tools.WITHOUT_METRICS[method](grokfax.not_bias))
  svi = numpyro.infer.SVI(model, lambda: None, optimizer, numpyro.infer.Trace_ELBO())
  result = svi.run(jax.random.key(0), tools.STEPS, progress_bar=False)
  tools.assert_trained_alike(
    layers_of(result.params), tools.WITHOUT_METRICS[method](tools.WEIGHTS_ALONE)
  )


def test_numpyro_has_no_training_accuracy():
  numpyro = pytest.importorskip("numpyro")
  optimizer = numpyro.optim.optax_to_numpyro(grokfax.delayed_compression_adam(1e-3))
  state = optimizer.init({"w": jnp.ones((2, 2))})
  with pytest.raises(ValueError, match=r"'train_accuracy' is missing.*from_step\(n\)"):
    optimizer.update({"w": jnp.ones((2, 2))}, state, value=1.0)


@tools.each_method
def test_penzai(method):
  """A parameter's own label tells a bias, for its path in the tree does not."""
  pz = pytest.importorskip("penzai.pz")
  from penzai.models import simple_mlp
  from penzai.toolshed.basic_training import StatefulTrainer

  mlp = simple_mlp.MLP.from_config(
    name="mlp", init_base_rng=jax.random.key(0), feature_sizes=[3, 8, 1], activation_fn=jnp.tanh
  )
  _, variables = pz.unbind_params(mlp)
  arrays = [array for pair in tools.LAYERS for array in pair]
  for variable, array in zip(variables, arrays, strict=True):
    axes = variable.value.named_axes
    variable.value = type(variable.value)(named_axes=axes, data_array=jnp.asarray(array))

  def loss_fn(model, state, rng):
    out = model(pz.nx.wrap(tools.X, "batch", "features")).unwrap("batch", "features")
    return tools.loss_of(out)[0], state, {}

  tx = tools.WITHOUT_METRICS[method](grokfax.not_bias)
  trainer = StatefulTrainer.build(jax.random.key(1), mlp, tx, loss_fn)
  for _ in range(tools.STEPS):
    trainer.step()
  values = [v.value.data_array for v in variables]
  layers = list(zip(values[::2], values[1::2], strict=True))
  tools.assert_trained_alike(layers, tools.WITHOUT_METRICS[method](tools.WEIGHTS_ALONE))


@tools.each_method
def test_optimistix(method):
  optx = pytest.importorskip("optimistix")
  tx = tools.WITHOUT_METRICS[method](grokfax.not_bias)
  solver = optx.OptaxMinimiser(tx, rtol=0.0, atol=0.0)
  start = jax.tree.map(jnp.asarray, PARAMS)
  found = optx.minimise(
    lambda params, _: loss_by_name(params), solver, start, max_steps=tools.STEPS, throw=False
  )
  tools.assert_trained_alike(
    layers_of(found.value), tools.WITHOUT_METRICS[method](tools.WEIGHTS_ALONE)
  )


def test_optimistix_hands_on_the_loss():
  optx = pytest.importorskip("optimistix")

  def make(mask):
    low = grokfax.metric_below("value", 0.2)
    penalty = grokfax.frobenius_penalty(0.1, mask=mask)
    return optax.chain(grokfax.gate(penalty, low), optax.adam(0.02))

  start = jax.tree.map(jnp.asarray, PARAMS)
  solver = optx.OptaxMinimiser(make(grokfax.not_bias), rtol=0.0, atol=0.0)
  found = optx.minimise(
    lambda params, _: loss_by_name(params), solver, start, max_steps=tools.STEPS, throw=False
  )
  tools.assert_trained_alike(layers_of(found.value), make(tools.WEIGHTS_ALONE))


@pytest.mark.parametrize("name", ["numpyro", "penzai", "optimistix"])
def test_the_page_s_section(name):
  pytest.importorskip(name)
  section(name)
