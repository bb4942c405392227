"""The recipe in a user's place: the notebook's models, x + y mod 31, half of the pairs."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import optax
import pytest
from flax import linen, nnx

import grokfax
from experiments.tasks import modular
from experiments.tasks.task import split_rows

P, BATCH, STEPS = 31, 256, 600
PAIRS = modular.table("add", P)
TRAINING, HELD_OUT = split_rows(jax.random.key(0), PAIRS, training=len(PAIRS[0]) // 2)


NOTEBOOK = (Path(__file__).parents[2] / "colab" / "your_model.py").read_text()


def class_of(name, **known):
  """A class of the notebook, run on its own."""
  (code,) = re.findall(rf"^class {name}\(.*\):\n(?:(?:  .*)?\n)+", NOTEBOOK, re.MULTILINE)
  exec(code, names := {"jnp": jnp, "P": P, **known})
  return names[name]


def nnx_net():
  """Parameters, and (params, x, y) -> logits."""
  graph, params = nnx.split(class_of("Net", nnx=nnx)(nnx.Rngs(0)))
  return params, lambda params, x, y: nnx.merge(graph, params)(x, y)


def linen_net():
  net = class_of("LinenNet", linen=linen)()
  params = net.init(jax.random.key(0), *HELD_OUT[:2])["params"]
  return params, lambda params, x, y: net.apply({"params": params}, x, y)


def held_out_accuracy(net, tx):
  params, apply = net

  @jax.jit
  def trained(params, state):
    def step(carry, key):
      params, state = carry
      index = jax.random.choice(key, len(TRAINING[0]), [BATCH])
      x, y, answer = jax.tree.map(lambda column: column[index], TRAINING)

      def loss(params):
        logits = apply(params, x, y)
        return optax.softmax_cross_entropy_with_integer_labels(logits, answer).mean()

      updates, state = tx.update(jax.grad(loss)(params), state, params)
      return (optax.apply_updates(params, updates), state), None

    return jax.lax.scan(step, (params, state), jax.random.split(jax.random.key(1), STEPS))[0][0]

  x, y, answer = HELD_OUT
  logits = apply(trained(params, tx.init(params)), x, y)
  return float((logits.argmax(-1) == answer).mean())


@pytest.mark.parametrize("net", [nnx_net, linen_net])
@pytest.mark.parametrize(
  ("optimizer", "low", "high"),
  [
    (grokfax.grouped_muon(rate_end=1.0, decay_end=1.0), 0.9, 1.0),
    (grokfax.grouped_muon(), 0.1, 0.6),  # its rates fall before that is understood
    (optax.adamw(3e-3, weight_decay=1.0), 0.0, 0.1),
  ],
  ids=["rates and decays that stay", "as it is", "adamw"],
)
def test_how_much_is_understood_after_600_steps(net, optimizer, low, high):
  assert low <= held_out_accuracy(net(), optimizer) <= high
