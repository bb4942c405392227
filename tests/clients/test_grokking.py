"""The recipe in a user's place: the notebook's NNX model, x + y mod 31, half of the pairs."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import optax
import pytest
from flax import nnx

import grokfax
from experiments.tasks import modular
from experiments.tasks.task import split_rows

P, BATCH, STEPS = 31, 256, 600
PAIRS = modular.table("add", P)
TRAINING, HELD_OUT = split_rows(jax.random.key(0), PAIRS, training=len(PAIRS[0]) // 2)


NOTEBOOK = (Path(__file__).parents[2] / "colab" / "your_model.py").read_text()
(CODE,) = re.findall(r"^class Net\(nnx\.Module\):\n(?:(?:  .*)?\n)+", NOTEBOOK, re.MULTILINE)
exec(CODE, names := {"nnx": nnx, "jnp": jnp, "P": P})
Net = names["Net"]


def held_out_accuracy(tx):
  graph, params = nnx.split(Net(nnx.Rngs(0)))

  @jax.jit
  def trained(params, state):
    def step(carry, key):
      params, state = carry
      index = jax.random.choice(key, len(TRAINING[0]), [BATCH])
      x, y, answer = jax.tree.map(lambda column: column[index], TRAINING)

      def loss(params):
        logits = nnx.merge(graph, params)(x, y)
        return optax.softmax_cross_entropy_with_integer_labels(logits, answer).mean()

      updates, state = tx.update(jax.grad(loss)(params), state, params)
      return (optax.apply_updates(params, updates), state), None

    return jax.lax.scan(step, (params, state), jax.random.split(jax.random.key(1), STEPS))[0][0]

  x, y, answer = HELD_OUT
  logits = nnx.merge(graph, trained(params, tx.init(params)))(x, y)
  return float((logits.argmax(-1) == answer).mean())


@pytest.mark.parametrize(
  ("optimizer", "low", "high"),
  [
    (grokfax.grouped_muon(rate_end=1.0, decay_end=1.0), 0.9, 1.0),
    (grokfax.grouped_muon(), 0.1, 0.6),  # its rates fall before that is understood
    (optax.adamw(3e-3, weight_decay=1.0), 0.0, 0.1),
  ],
  ids=["rates and decays that stay", "as it is", "adamw"],
)
def test_how_much_is_understood_after_600_steps(optimizer, low, high):
  assert low <= held_out_accuracy(optimizer) <= high
