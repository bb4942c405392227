"""Our model and optimizer against 25 recorded training steps of the reference."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import grokfax
from experiments.runs import plan, settings
from experiments.tasks import modular
from experiments.tasks.task import score
from tests.experiments.tools import Net, plain_step, with_key_biases

MODEL = modular.model(modular.Settings())
TASK = Net(MODEL.init, functools.partial(score, MODEL))


def from_torch(recording, part: str):
  """The parameters recorded under torch's names, by our paths."""

  def get(name):
    return recording[f"{part}/{name}"]

  def linear(weight, bias=None):
    out = {"kernel": get(weight).T}  # torch keeps (out, in)
    return out | {"bias": get(bias)} if bias else out

  def layer_norm(name):
    return {"scale": get(f"{name}.weight"), "bias": get(f"{name}.bias")}

  def block(name):
    return {
      "ln_1": layer_norm(f"{name}.ln_1"),
      "ln_2": layer_norm(f"{name}.ln_2"),
      "qkv": linear(f"{name}.attn.in_proj_weight", f"{name}.attn.in_proj_bias"),
      "out": linear(f"{name}.attn.out_proj.weight", f"{name}.attn.out_proj.bias"),
      "mlp_in": linear(f"{name}.mlp.0.weight", f"{name}.mlp.0.bias"),
      "mlp_out": linear(f"{name}.mlp.2.weight", f"{name}.mlp.2.bias"),
    }

  return {
    "tokens": {"embedding": get("token_embeddings.weight")},
    "positions": {"embedding": get("position_embeddings.weight")},
    "blocks": {"layers": {i: block(f"layers.{i}") for i in range(2)}},
    "ln_f": layer_norm("ln_f"),
    "head": linear("head.weight"),
  }


def state_like(params, values):
  state = jax.tree.map(lambda p: jnp.zeros(p.shape, p.dtype), params)
  nnx.replace_by_pure_dict(state, jax.tree.map(jnp.asarray, values))
  return state


def largest_difference(ours, theirs):
  pairs = jax.tree.map(lambda a, b: np.abs(a - b).max(), nnx.to_pure_dict(ours), theirs)
  return max(jax.tree.leaves(pairs))


def test_key_biases_change_nothing():
  """A softmax does not see what is added to all its scores: the biases' gradient is exactly 0.

  What is computed for it is rounding noise, which Adam blows up to its full step. So the
  comparison of trained parameters leaves these biases out.
  """
  params = jax.jit(MODEL.init)(jax.random.key(0))
  x, y, _ = (jnp.asarray(column[:100]) for column in modular.table("mul", 97))
  moved = with_key_biases(lambda k: k + jax.random.normal(jax.random.key(1), k.shape), params)
  logits = jax.jit(lambda params: MODEL.predict(params, x, y))
  np.testing.assert_allclose(logits(moved), logits(params), rtol=0, atol=1e-5)


def largest(tree):
  return max(np.abs(leaf).max() for leaf in jax.tree.leaves(tree))


# What each recording's note describes, from our own parts. The reference has its penalty in
# the loss, so there the penalty comes before the filter, and in the recorded gradients.
RUNS = {
  "ema": (
    optax.identity(),
    lambda: optimizer_of("grokfast_ema"),
  ),
  "penalty": (
    grokfax.delayed_compression(0.01, 0.0, mask=grokfax.not_bias),
    lambda: optax.chain(grokfax.grokfast_ma(5, 5.0), optimizer_of("baseline")),
  ),
}


def optimizer_of(method):
  made = settings.make("modular", method=method)
  return plan.train_of(made).make_optimizer(plan.numbers_of(made))


@pytest.fixture(params=RUNS)
def case(request, reference):
  recording = np.load(reference / "model" / f"{request.param}.npz")
  params = state_like(jax.eval_shape(MODEL.init, jax.random.key(0)), from_torch(recording, "init"))
  batches = [
    tuple(jnp.asarray(batch[i, :size], jnp.int32) for i in (0, 2, 4))
    for batch, size in zip(recording["batches"], recording["batch_sizes"], strict=True)
  ]
  penalty, rest = RUNS[request.param]
  return recording, params, batches, penalty, optax.chain(penalty, rest())


@pytest.mark.gate
def test_first_logits_and_gradients(case):
  recording, params, batches, penalty, _ = case

  @jax.jit
  def logits_and_grads(params):
    x, y, _ = batches[0]
    return MODEL.predict(params, x, y), jax.grad(
      lambda p: TASK.score(p, batches[0])["loss"].mean()
    )(params)

  logits, grads = logits_and_grads(params)
  np.testing.assert_allclose(logits, recording["logits0"], rtol=0, atol=1e-5)
  penalty = optax.with_extra_args_support(penalty)
  grads, _ = penalty.update(grads, penalty.init(params), params, train_accuracy=1.0)
  theirs = from_torch(recording, "grad0")
  assert largest_difference(grads, theirs) <= 1e-5 * largest(theirs)


@pytest.mark.gate
def test_twenty_five_steps(case):
  recording, params, batches, _, optimizer = case

  step = plain_step(TASK, optimizer)
  opt_state = optimizer.init(params)
  losses, accuracies = [], []
  for rows in batches:
    params, opt_state, loss, accuracy = step(params, opt_state, rows)
    losses.append(loss)
    accuracies.append(accuracy)
  np.testing.assert_allclose(losses, recording["losses"], rtol=0, atol=1e-4)
  np.testing.assert_allclose(accuracies, recording["accuracies"], rtol=0, atol=1e-6)
  ours = with_key_biases(jnp.zeros_like, params)
  theirs = with_key_biases(jnp.zeros_like, from_torch(recording, "final"))
  assert largest_difference(ours, theirs) <= 1e-4

  held_out = recording["valid_index"].astype(int)
  rows = tuple(jnp.asarray(column[held_out]) for column in modular.table("mul", 97))
  loss = jax.jit(TASK.score)(params, rows)["loss"].mean()
  np.testing.assert_allclose(loss, recording["valid_loss_final"], rtol=0, atol=1e-4)
