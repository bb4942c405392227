"""The named optimizers are the chains that they say they are."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import grokfax
from tests.cases import OPTIMIZERS
from tests.helpers import run

PARAMS = {"kernel": jnp.asarray([[1.0, -2.0]]), "bias": jnp.asarray([0.5])}
G = [jax.tree.map(lambda w, i=i: jnp.cos(w * i), PARAMS) for i in range(6)]

DECAY = optax.add_decayed_weights(0.1, grokfax.not_bias)
COMPRESSION = grokfax.delayed_compression(0.2, 0.5, mask=grokfax.not_bias)
FAST_ADAM, RATE = optax.scale_by_adam(0.9, 0.98), optax.scale(-1e-2)

CHAINS = {
  "adam_l2": (
    grokfax.adam_l2(1e-2, weight_decay=0.1, mask=grokfax.not_bias),
    [DECAY, FAST_ADAM, RATE],
  ),
  "grokfast_adam": (
    grokfax.grokfast_adam(1e-2, 0.9, 3.0, weight_decay=0.1, mask=grokfax.not_bias),
    [grokfax.grokfast_ema(0.9, 3.0), DECAY, FAST_ADAM, RATE],
  ),
  "grokfast_adamw": (
    grokfax.grokfast_adamw(1e-2, 0.9, 3.0, weight_decay=0.1, mask=grokfax.not_bias),
    [grokfax.grokfast_ema(0.9, 3.0), optax.scale_by_adam(0.9, 0.999), DECAY, RATE],
  ),
  "grokfast_ma_adam": (
    grokfax.grokfast_ma_adam(1e-2, 3, 4.0, weight_decay=0.1, mask=grokfax.not_bias),
    [grokfax.grokfast_ma(3, 4.0), DECAY, FAST_ADAM, RATE],
  ),
  "delayed_compression_adam": (
    grokfax.delayed_compression_adam(1e-2, 0.2, 0.5),
    [COMPRESSION, FAST_ADAM, RATE],
  ),
  "grokfast_delayed_compression_adamw": (
    grokfax.grokfast_delayed_compression_adamw(1e-2, 0.9, 3.0, 0.2, 0.5, weight_decay=0.1),
    [
      grokfax.grokfast_ema(0.9, 3.0),
      COMPRESSION,
      FAST_ADAM,
      optax.add_decayed_weights(0.1),
      RATE,
    ],
  ),
}


def test_every_named_optimizer_is_here():
  assert set(CHAINS) == set(OPTIMIZERS)


@pytest.mark.parametrize("name", CHAINS)
def test_chain(name):
  tx, parts = CHAINS[name]
  metric = {"train_accuracy": jnp.asarray([0.2, 0.6, 0.1, 0.5, 1.0, 1.0])}
  ours, theirs = run(tx, G, PARAMS, **metric)[0], run(optax.chain(*parts), G, PARAMS, **metric)[0]
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), ours, theirs)


@pytest.mark.parametrize("make", [grokfax.grokfast_adam, grokfax.grokfast_adamw])
def test_minimises_a_quadratic_bowl(make):
  tx = make(optax.cosine_decay_schedule(0.1, 400))
  grad = jax.grad(lambda w: jnp.sum((w - 1.0) ** 2))

  def step(carry, _):
    w, state = carry
    updates, state = tx.update(grad(w), state, w)
    return (optax.apply_updates(w, updates), state), None

  w = jnp.asarray([3.0, -2.0])
  (w, _), _ = jax.lax.scan(step, (w, tx.init(w)), length=400)
  np.testing.assert_allclose(w, 1.0, atol=0.05)
