"""The model's fast form against the plain one, and its initialisation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from experiments.tasks.models.layers import pure
from experiments.tasks.models.transformer import Transformer

P = 11


def plain(params, x, y, heads=4):
  """The model as one would write it down: all rows, all positions, a causal mask."""

  def norm(p, x):
    centred = x - x.mean(-1, keepdims=True)
    variance = jnp.mean(centred**2, -1, keepdims=True)
    return p["scale"][None, None] * centred / jnp.sqrt(variance + 1e-5) + p["bias"][None, None]

  def linear(p, x):
    return jnp.einsum("btd,de->bte", x, p["kernel"]) + p["bias"][None, None]

  def attention(p, x):
    b, t, d = x.shape
    q, k, v = jnp.moveaxis(linear(p["qkv"], x).reshape(b, t, 3, heads, d // heads), 2, 0)
    scores = jnp.einsum("bthk,bshk->bhts", q, k) / np.sqrt(d // heads)
    scores = jnp.where(np.tril(np.ones((t, t), bool))[None, None], scores, -jnp.inf)
    mixed = jnp.einsum("bhts,bshk->bthk", jax.nn.softmax(scores), v)
    return linear(p["out"], mixed.reshape(b, t, d))

  def gelu(x):
    return x * (1 + jax.scipy.special.erf(x / np.sqrt(2))) / 2

  tokens = jnp.stack([x, jnp.full_like(x, P + 1), y, jnp.full_like(x, P)], axis=1)
  h = params["tokens"]["embedding"][tokens] + params["positions"]["embedding"][None, :4]
  for p in params["blocks"]["layers"].values():
    h = norm(p["ln_1"], h)
    h = h + attention(p, h)
    h = h + linear(p["mlp_out"], gelu(linear(p["mlp_in"], norm(p["ln_2"], h))))
  return norm(params["ln_f"], h)[:, -1] @ params["head"]["kernel"]


@pytest.mark.parametrize("layers", [1, 3])
def test_logits_and_gradients_are_those_of_the_plain_form(layers):
  init, apply = pure(lambda rngs: Transformer(P, width=32, layers=layers, rngs=rngs))
  key = jax.random.key(1)

  @jax.jit
  def drawn():  # biases away from 0, scales from 1
    state = init(jax.random.key(0))
    return jax.tree.map(lambda w: w + 0.3 * jax.random.normal(key, w.shape), state)

  state = drawn()
  x, y = jnp.asarray([0, 3, 3, 10, 7]), jnp.asarray([5, 1, 10, 0, 7])
  weights = jax.random.normal(key, (5, P + 2))

  def outputs_and_gradients(function, params):
    def weighted_sum(params):
      logits = function(params)
      return jnp.vdot(weights, logits), logits

    (_, logits), grads = jax.jit(jax.value_and_grad(weighted_sum, has_aux=True))(params)
    return logits, grads

  ours, our_grads = outputs_and_gradients(lambda s: apply(s, x, y), state)
  params = nnx.to_pure_dict(state)
  theirs, their_grads = outputs_and_gradients(lambda p: plain(p, x, y), params)
  np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)
  largest = max(float(jnp.abs(g).max()) for g in jax.tree.leaves(their_grads))
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=2e-6 * largest),
    nnx.to_pure_dict(our_grads),
    their_grads,
  )


def test_initialisation():
  """Torch's: U(±1/√fan_in) for linear layers, Xavier for qkv, N(0, 1) for embeddings."""
  init = jax.jit(lambda key: nnx.state(Transformer(97, rngs=nnx.Rngs(key))))
  params = nnx.to_pure_dict(init(jax.random.key(0)))
  assert sum(leaf.size for leaf in jax.tree.leaves(params)) == 422_784
  block = params["blocks"]["layers"][1]

  def uniform(values, bound):
    assert np.abs(values).max() <= bound
    assert np.std(values) == pytest.approx(bound / np.sqrt(3), rel=0.15)

  for name, fan_in in (("mlp_in", 128), ("mlp_out", 512)):
    uniform(block[name]["kernel"], fan_in**-0.5)
    uniform(block[name]["bias"], fan_in**-0.5)
  uniform(block["out"]["kernel"], 128**-0.5)
  uniform(block["qkv"]["kernel"], np.sqrt(6 / (128 + 384)))
  uniform(params["head"]["kernel"], 128**-0.5)
  assert not np.any(block["qkv"]["bias"])
  assert not np.any(block["out"]["bias"])
  assert "bias" not in params["head"]
  for name in ("tokens", "positions"):
    assert np.std(params[name]["embedding"]) == pytest.approx(1, rel=0.1)
  for name in ("ln_1", "ln_2"):
    assert np.all(block[name]["scale"] == 1)
    assert not np.any(block[name]["bias"])
