"""Groups of parameters: an attention layer, an embedding and a head, in each framework."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import equinox as eqx
import haiku as hk
import jax
import jax.numpy as jnp
import pytest
from flax import linen, nnx

import grokfax
from grokfax import _paths

WIDTH, HEADS, WORDS = 8, 2, 5


class Nnx(nnx.Module):
  def __init__(self, rngs):
    self.token_embed = nnx.Embed(WORDS, WIDTH, rngs=rngs)
    self.pos_embed = nnx.Embed(WORDS, WIDTH, rngs=rngs)
    self.attention = nnx.MultiHeadAttention(HEADS, WIDTH, decode=False, rngs=rngs)
    self.norm = nnx.LayerNorm(WIDTH, rngs=rngs)
    self.mlp = nnx.Linear(WIDTH, WIDTH, rngs=rngs)
    self.lm_head = nnx.Linear(WIDTH, WORDS, rngs=rngs)


class Linen(linen.Module):
  @linen.compact
  def __call__(self, tokens):
    x = linen.Embed(WORDS, WIDTH, name="token_embed")(tokens)
    x += linen.Embed(WORDS, WIDTH, name="pos_embed")(jnp.arange(tokens.shape[0]))
    x += linen.MultiHeadDotProductAttention(HEADS, name="attention")(x)
    x = linen.Dense(WIDTH, name="mlp")(linen.LayerNorm(name="norm")(x))
    return linen.Dense(WORDS, name="lm_head")(x)


class Equinox(eqx.Module):
  token_embed: eqx.nn.Embedding
  pos_embed: eqx.nn.Embedding
  attention: eqx.nn.MultiheadAttention
  norm: eqx.nn.LayerNorm
  mlp: eqx.nn.Linear
  lm_head: eqx.nn.Linear

  def __init__(self, key):
    self.token_embed = eqx.nn.Embedding(WORDS, WIDTH, key=key)
    self.pos_embed = eqx.nn.Embedding(WORDS, WIDTH, key=key)
    self.attention = eqx.nn.MultiheadAttention(HEADS, WIDTH, use_output_bias=True, key=key)
    self.norm = eqx.nn.LayerNorm(WIDTH)
    self.mlp, self.lm_head = eqx.nn.Linear(WIDTH, WIDTH, key=key), eqx.nn.Linear(8, WORDS, key=key)


def _haiku(tokens):
  x = hk.Embed(WORDS, WIDTH, name="token_embed")(tokens)
  x += hk.Embed(WORDS, WIDTH, name="pos_embed")(jnp.arange(tokens.shape[0]))
  attention = hk.MultiHeadAttention(
    HEADS, WIDTH // HEADS, w_init=hk.initializers.RandomNormal(), name="attention"
  )
  x = hk.LayerNorm(-1, True, True, name="norm")(x + attention(x, x, x))
  return hk.Linear(WORDS, name="lm_head")(hk.Linear(WIDTH, name="mlp")(x))


TOKENS, KEY = jnp.arange(3), jax.random.key(0)
PARAMS = {
  "nnx": lambda: nnx.state(Nnx(nnx.Rngs(0)), nnx.Param),
  "nnx, a pure tree": lambda: nnx.to_pure_dict(nnx.state(Nnx(nnx.Rngs(0)), nnx.Param)),
  "linen": lambda: Linen().init(KEY, TOKENS)["params"],
  "equinox": lambda: eqx.filter(Equinox(KEY), eqx.is_inexact_array),
  "haiku": lambda: hk.transform(_haiku).init(KEY, TOKENS),
}


def expected(path):
  """By hand: what each of the names above is."""
  module, last = path[-3] if "attention" in path[:-2] else path[-2], path[-1]
  if last in ("bias", "b", "scale", "offset") or module == "norm" or path[0] == "norm":
    return "rest"
  if any(name.startswith(("query", "key", "value")) for name in path):
    return "attention"
  known = {"token_embed": "embedding", "pos_embed": "positions", "lm_head": "head"}
  return known.get(path[0], "matrices")


@pytest.mark.parametrize("framework", PARAMS)
def test_groups(framework):
  params = PARAMS[framework]()
  found = _paths.flatten(grokfax.parameter_groups(params))
  assert found == {path: expected(path) for path in found}
  assert set(found.values()) == {
    "embedding", "positions", "attention", "matrices", "head", "rest"
  }  # fmt: skip


@pytest.mark.parametrize("framework", PARAMS)
def test_a_step_changes_every_parameter(framework):
  params = PARAMS[framework]()
  gradients = jax.tree.map(
    lambda w: jnp.cos(jnp.arange(w.size, dtype=w.dtype)).reshape(w.shape), params
  )
  tx = grokfax.grouped_muon()
  updates, _ = tx.update(gradients, tx.init(params), params)
  assert jax.tree.structure(updates) == jax.tree.structure(params)
  assert all(jnp.all(jnp.isfinite(u)) and jnp.any(u) for u in jax.tree.leaves(updates))


def test_keras():
  """Its variables come as a list, each with a path of its own."""
  import keras

  words = keras.Input((3,), dtype="int32")
  x = keras.layers.Embedding(WORDS, WIDTH, name="token_embed")(words)
  x = keras.layers.MultiHeadAttention(HEADS, 4, name="attention")(x, x)
  model = keras.Model(words, keras.layers.Dense(WORDS, name="lm_head")(x))
  params = model.trainable_variables
  found = dict(zip((v.path for v in params), grokfax.parameter_groups(params), strict=True))
  assert found["token_embed/embeddings"] == "embedding"
  assert {path: g for path, g in found.items() if path.endswith("kernel")} == {
    "attention/query/kernel": "attention",
    "attention/key/kernel": "attention",
    "attention/value/kernel": "attention",
    "attention/attention_output/kernel": "matrices",
    "lm_head/kernel": "head",
  }
