"""The named optimizers are the chains that they say they are."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import grokfax
from tests.helpers import run

PARAMS = {"kernel": jnp.asarray([[1.0, -2.0]]), "bias": jnp.asarray([0.5])}
G = [jax.tree.map(lambda w, i=i: jnp.cos(w * i), PARAMS) for i in range(6)]

CHAINS = {
  "adam": (
    grokfax.grokfast_adam(1e-2, 0.9, 3.0, weight_decay=0.1, mask=grokfax.not_bias),
    [
      grokfax.grokfast_ema(0.9, 3.0),
      optax.add_decayed_weights(0.1, grokfax.not_bias),
      optax.scale_by_adam(0.9, 0.98),
      optax.scale(-1e-2),
    ],
  ),
  "adamw": (
    grokfax.grokfast_adamw(1e-2, 0.9, 3.0, weight_decay=0.1, mask=grokfax.not_bias),
    [
      grokfax.grokfast_ema(0.9, 3.0),
      optax.scale_by_adam(0.9, 0.999),
      optax.add_decayed_weights(0.1, grokfax.not_bias),
      optax.scale(-1e-2),
    ],
  ),
}


@pytest.mark.parametrize("name", CHAINS)
def test_chain(name):
  tx, parts = CHAINS[name]
  ours, theirs = run(tx, G, PARAMS)[0], run(optax.chain(*parts), G, PARAMS)[0]
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
