"""The tiny transformer against the form that one would write down."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from experiments.tasks.models.layers import pure
from experiments.tasks.models.tiny import TinyTransformer

SIZES = {"width": 5, "planes": 2, "hidden": 7, "period": 6}


def drawn(heads, layers, sizes=SIZES):
  """The model's function and parameters, scales away from 1."""
  init, apply = pure(
    lambda rngs: TinyTransformer(10, heads=heads, layers=layers, rngs=rngs, **sizes)
  )
  key = jax.random.key(1)
  params = jax.jit(init)(jax.random.key(0))
  return apply, jax.tree.map(lambda w: w + 0.5 * jax.random.normal(key, w.shape), params)


def plain(params, tokens, heads, planes, period):
  """A row, a head and a token at a time; features of one plane as one complex number."""

  def norm(p, x):
    return p["scale"] * x / np.sqrt(np.mean(x**2) + 1e-6)

  def turned(x, t):
    turns = np.exp(2j * np.pi * np.arange(1, planes + 1) * t / period)
    return (x[:planes] + 1j * x[planes:]) * turns

  def silu(x):
    return x / (1 + np.exp(-x))

  def block(p, xs):
    after = []
    hs = [norm(p["norm_1"], x) for x in xs]
    keys = [turned(norm(p["norm_k"], h @ p["k"]), t) for t, h in enumerate(hs)]
    for t, (x, h) in enumerate(zip(xs, hs, strict=True)):
      mixed = []
      for q in np.split(h @ p["q"], heads):
        q = turned(norm(p["norm_q"], q), t)
        scores = np.array([np.vdot(k, q).real for k in keys[: t + 1]]) / np.sqrt(2 * planes)
        weights = np.exp(scores) / np.exp(scores).sum()
        mixed.append(sum(w * (there @ p["v"]) for w, there in zip(weights, hs, strict=False)))
      x = x + np.concatenate(mixed) @ p["out"]
      h = norm(p["norm_2"], x)
      after.append(x + (silu(h @ p["mlp_gate"]) * (h @ p["mlp_in"])) @ p["mlp_out"])
    return after

  xs = [params["embedding"][token] for token in tokens]
  for p in params["blocks"]["layers"].values():
    xs = block(p, xs)
  return np.stack([norm(params["norm"], x) @ params["embedding"].T for x in xs])


@pytest.mark.parametrize(("heads", "layers"), [(1, 1), (3, 1), (2, 2)])
def test_logits_are_those_of_the_plain_form(heads, layers):
  apply, params = drawn(heads, layers)
  tokens = jax.random.randint(jax.random.key(2), (3, 14), 0, 10)
  ours = jax.jit(apply)(params, tokens)
  tree = jax.tree.map(np.float64, nnx.to_pure_dict(params))
  theirs = np.stack([plain(tree, row, heads, 2, 6) for row in tokens.tolist()])
  np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4)
  part = jax.jit(lambda p, t: apply(p, t, 9))(params, tokens)
  np.testing.assert_allclose(part, theirs[:, 9:], rtol=0, atol=1e-4)


def test_what_stands_whole_periods_apart_looks_alike():
  """In one layer, whichever of two places of the same phase two tokens stand at."""
  apply, params = drawn(2, 1)
  rows = jnp.asarray([[4, 1, 7, 7, 2, 9, 5, 8, 3, 0, 6, 6, 1, 2]] * 3)
  rows = rows.at[1, jnp.asarray([1, 7])].set(rows[0, jnp.asarray([7, 1])])  # a period apart
  rows = rows.at[2, jnp.asarray([1, 6])].set(rows[0, jnp.asarray([6, 1])])
  first, same, other = jax.jit(lambda p, t: apply(p, t, 13))(params, rows)
  np.testing.assert_allclose(first, same, rtol=0, atol=1e-5)
  assert float(jnp.abs(first - other).max()) > 1e-3
