"""Every transformation inside Optax's wrappers and Flax's trainers, against the bare result."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from flax.training.train_state import TrainState

from tests.cases import CASES
from tests.contract.tools import (
  assert_close,
  at,
  make_gradients,
  make_params,
  metrics_of,
  of_each_kind,
)
from tests.helpers import run


@of_each_kind
def test_composes_with_optax(case, bare):
  """chain, partition, apply_if_finite and conditionally_transform, one in the other."""
  params, gradients, metrics = make_params(), make_gradients(), metrics_of(case)
  conditional = optax.conditionally_transform(
    case.make(), lambda step, **_: step >= 0, forward_extra_args=True
  )
  tx = optax.chain(optax.identity(), optax.apply_if_finite(conditional, 3))
  tx = optax.partition({"all": tx}, jax.tree.map(lambda _: "all", params))
  updates, _ = run(tx, gradients, params, **metrics)
  assert_close(updates, bare[0])


@of_each_kind
def test_masked_in_multi_steps(case, bare):
  """A masked transformation is left alone elsewhere; it sees the mean of two micro-batches."""
  params, gradients, metrics = make_params(), make_gradients(), metrics_of(case)
  part = {**jax.tree.map(lambda _: True, params), "scale": False}
  tx = optax.MultiSteps(optax.masked(case.make(), part), 2).gradient_transformation()
  doubled = [g for g in gradients for _ in range(2)]
  metrics = {name: jnp.repeat(values, 2) for name, values in metrics.items()}
  updates, _ = run(tx, doubled, params, **metrics)
  for u, v, g in zip(updates[1::2], bare[0], gradients, strict=True):
    assert_close(u["layer"], v["layer"])
    assert_close(u["scale"], g["scale"])


def test_the_metric_of_the_last_micro_batch_counts():
  """A gate in MultiSteps opens by the last metric of each three, whatever the others are."""
  gate = CASES["gate_below"]
  tx = optax.MultiSteps(gate.make(), 3).gradient_transformation()
  gradients, params = make_gradients(steps=9), make_params()
  last = jnp.asarray([0.2, 0.9, 0.4])
  accuracy = jnp.stack([1 - last, jnp.full(3, 0.5), last], axis=1).reshape(-1)
  updates, _ = run(tx, gradients, params, train_accuracy=accuracy)
  means = [
    jax.tree.map(lambda *g: sum(g) / 3, *gradients[i : i + 3]) for i in range(0, len(gradients), 3)
  ]
  bare, _ = run(gate.make(), means, params, train_accuracy=last)
  assert_close(updates[2::3], bare)


@of_each_kind
def test_hyperparameters_may_be_injected(case, bare):
  """What Optax injects, as tracers: numbers and arrays. The updates stay those of the bare case."""
  injected = optax.inject_hyperparams(case.factory, static_args=case.static)(**case.settings)
  params, gradients, metrics = make_params(), make_gradients(), metrics_of(case)
  updates, states = run(injected, gradients, params, **metrics)
  assert_close(updates, bare[0], rtol=1e-5, atol=1e-5)
  assert_close(states[-1].inner_state, bare[1][-1], rtol=1e-5, atol=1e-5)


def trained(case, params, gradients, metrics):
  """The parameters after a plain loop of updates."""
  tx = case.make()
  state, update = tx.init(params), jax.jit(tx.update)
  for i, g in enumerate(gradients):
    updates, state = update(g, state, params, **at(metrics, i))
    params = optax.apply_updates(params, updates)
  return params


@of_each_kind
def test_trains_an_nnx_model(case):
  """`nnx.Optimizer.update` hands extra arguments on."""

  class Model(nnx.Module):
    def __init__(self, layer, scale, nothing):
      self.kernel, self.bias = nnx.Param(layer["kernel"]), nnx.Param(layer["bias"])
      self.scale, self.nothing = nnx.Param(scale), nnx.Param(nothing)

  def flat(tree):
    return {**tree["layer"], "scale": tree["scale"], "nothing": tree["nothing"]}

  params, gradients, metrics = make_params(), make_gradients(), metrics_of(case)
  model = Model(**params)
  optimizer = nnx.Optimizer(model, case.make(), wrt=nnx.Param)

  @nnx.jit
  def step(model, optimizer, g, metrics):
    state = nnx.state(model, nnx.Param)
    nnx.replace_by_pure_dict(state, g)
    optimizer.update(model, state, **metrics)

  for i, g in enumerate(gradients):
    step(model, optimizer, flat(g), at(metrics, i))
  ours = nnx.to_pure_dict(nnx.state(model, nnx.Param))
  assert_close(ours, flat(trained(case, params, gradients, metrics)), rtol=1e-5, atol=1e-5)


def guides_recipe():
  """The documentation's `apply_gradients`, which hands metrics on."""
  page = (Path(__file__).parents[2] / "docs" / "frameworks.md").read_text()
  blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
  (block,) = (block for block in blocks if "def apply_gradients" in block)
  namespace = {}
  exec(compile(block, "frameworks.md", "exec"), namespace)
  return namespace["apply_gradients"]


@of_each_kind
def test_trains_in_linens_train_state(case):
  """By its own method where no metric is wanted; by the recipe everywhere."""
  params, gradients, metrics = make_params(), make_gradients(), metrics_of(case)
  expected = trained(case, params, gradients, metrics)
  start = TrainState.create(apply_fn=lambda: None, params=params, tx=case.make())
  state, step = start, jax.jit(guides_recipe())
  for i, g in enumerate(gradients):
    state = step(state, g, **at(metrics, i))
  assert_close(state.params, expected, rtol=1e-5, atol=1e-5)
  assert int(state.step) == len(gradients)
  if not metrics:
    state, step = start, jax.jit(lambda state, g: state.apply_gradients(grads=g))
    for g in gradients:
      state = step(state, g)
    assert_close(state.params, expected, rtol=1e-5, atol=1e-5)
