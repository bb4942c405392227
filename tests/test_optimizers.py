"""The named optimizers are the chains that they say they are."""

import inspect

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


CHANGES = {
  "learning_rate": 0.5, "alpha": 0.5, "lamb": 0.5, "window_size": 2, "b1": 0.5, "b2": 0.5,
  "eps": 1.0, "weight_decay": 0.5, "mask": {"kernel": False, "bias": True},
  "mu_dtype": jnp.bfloat16, "accumulator_dtype": jnp.bfloat16, "coefficient": 0.5,
  "threshold": 0.05, "latch": True, "metric": "another_accuracy",
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_argument_reaches_the_chain(name):
  """Changing any of them changes the updates, or the dtypes of the state."""
  factory = getattr(grokfax, name)
  arguments = inspect.signature(factory).parameters
  base = {key: p.default for key, p in arguments.items()}
  base |= {"learning_rate": 1e-2, "window_size": 3, "threshold": 0.5, "weight_decay": 0.1}
  base = {key: value for key, value in base.items() if key in arguments}
  numbers = {key: value for key, value in base.items() if isinstance(value, float)}
  others = {key: value for key, value in base.items() if key not in numbers}
  metrics = {
    "train_accuracy": jnp.asarray([0.2, 0.6, 0.1, 0.5, 0.1, 1.0]),
    "another_accuracy": jnp.zeros(6),
  }

  def program(**others):
    """What numbers give, compiled once for all of them."""

    @jax.jit
    def update(numbers, g, state, metric):
      return factory(**numbers, **others).update(g, state, PARAMS, **metric)

    def outcome(**numbers):
      state, updates = factory(**numbers, **others).init(PARAMS), []
      for i, g in enumerate(G):
        u, state = update(numbers, g, state, {key: value[i] for key, value in metrics.items()})
        updates += [np.ravel(leaf) for leaf in jax.tree.leaves(u)]
      return np.concatenate(updates), [leaf.dtype for leaf in jax.tree.leaves(state)]

    return outcome

  usual = program(**others)
  before, dtypes = usual(**numbers)
  for argument in arguments:
    change = {argument: CHANGES[argument]}
    if argument in numbers:
      after, other = usual(**{**numbers, **change})
    else:
      after, other = program(**{**others, **change})(**numbers)
    assert np.any(after != before) or other != dtypes, argument


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
