"""A decoder-only transformer of some two hundred parameters, for rows of digits.

    x = E[tokens]
    x = x + attention(norm(x));  x = x + mlp(norm(x))      in each block
    logits = norm(x) Eᵀ

It has no biases, one embedding at both ends, and one head of keys and values for all queries.
Positions are no parameters: features of queries and keys are turned in planes, one of them once
round in a period of tokens, the next one twice, and so on. What stands whole periods apart looks
alike, so with a period as long as a number the digits of one place do.

The batch is the last axis, for a handful of features is less than a processor's vector.

Shapes: B rows of data, T tokens, S of them asked, D the width, H heads of K = 2 · planes.
"""

from collections.abc import Sequence
from typing import cast

import jax
import jax.numpy as jnp
from flax import nnx

from experiments.tasks.models.layers import uniform


def _matrix(inputs: int, outputs: int, rngs: nnx.Rngs) -> nnx.Param:
  return nnx.Param(uniform(inputs)(rngs.params(), (inputs, outputs)))


def _times(x: jax.Array, matrix: nnx.Param) -> jax.Array:
  """(inputs, ...) -> (outputs, ...)."""
  return jnp.einsum("i...,io->o...", x, matrix[...])


class Norm(nnx.Module):
  """Features (..., D, T, B), divided by their root mean square and scaled."""

  def __init__(self, width: int):
    self.scale = nnx.Param(jnp.ones(width))

  def __call__(self, x: jax.Array) -> jax.Array:
    normed = x * jax.lax.rsqrt(jnp.mean(x**2, axis=-3, keepdims=True) + 1e-6)
    return normed * self.scale[...].reshape(*[1] * (x.ndim - 3), -1, 1, 1)


def turned(x: jax.Array, positions: jax.Array, period: int) -> jax.Array:
  """(..., K, T, B), its plane j of features j and j + K/2 turned j + 1 times in a period."""
  one, two = jnp.split(x, 2, axis=-3)
  turns = jnp.arange(1, one.shape[-3] + 1)[:, None] * positions[None] / period
  angles = (2 * jnp.pi * turns)[..., None].reshape(*[1] * (x.ndim - 3), *turns.shape, 1)
  cos, sin = jnp.cos(angles), jnp.sin(angles)
  return jnp.concatenate([one * cos - two * sin, one * sin + two * cos], axis=-3)


class Block(nnx.Module):
  """Causal attention and a gated MLP, each added to the stream."""

  def __init__(self, width: int, heads: int, planes: int, hidden: int, period: int, rngs: nnx.Rngs):
    size = 2 * planes
    self.heads, self.period = heads, period
    self.norm_1, self.norm_2 = Norm(width), Norm(width)
    self.norm_q, self.norm_k = Norm(size), Norm(size)
    self.q, self.out = _matrix(width, heads * size, rngs), _matrix(heads * size, width, rngs)
    self.k, self.v = _matrix(width, size, rngs), _matrix(width, size, rngs)
    self.mlp_gate, self.mlp_in = _matrix(width, hidden, rngs), _matrix(width, hidden, rngs)
    self.mlp_out = _matrix(hidden, width, rngs)

  def _attention(self, h: jax.Array, asked: int) -> jax.Array:
    there = jnp.arange(h.shape[1])
    here = there[asked:]
    q = _times(h[:, asked:], self.q).reshape(self.heads, -1, len(here), h.shape[2])
    q = turned(self.norm_q(q), here, self.period)
    k = turned(self.norm_k(_times(h, self.k)), there, self.period)
    v = _times(h, self.v)
    # A product for each feature: XLA's sums over so short an axis would take six times as long.
    scores = sum(q[:, i, :, None] * k[None, i, None] for i in range(len(k))) / len(k) ** 0.5
    seen = there[None, None, :, None] <= here[None, :, None, None]
    weights = jax.nn.softmax(jnp.where(seen, scores, -jnp.inf), axis=2)
    mixed = jnp.stack([jnp.sum(weights * row[None, None], axis=2) for row in v], axis=1)
    return _times(mixed.reshape(-1, *mixed.shape[2:]), self.out)

  def _mlp(self, h: jax.Array) -> jax.Array:
    return _times(jax.nn.silu(_times(h, self.mlp_gate)) * _times(h, self.mlp_in), self.mlp_out)

  def __call__(self, x: jax.Array, asked: int = 0) -> jax.Array:
    """(D, T, B) -> the stream at the tokens from `asked` on: (D, S, B)."""
    x = x[:, asked:] + self._attention(self.norm_1(x), asked)
    return x + self._mlp(self.norm_2(x))


class TinyTransformer(nnx.Module):
  """A transformer that says which token follows.

  Args:
    vocabulary: how many tokens there are.
    width: D.
    heads: H.
    planes: in which queries and keys are turned.
    hidden: width of the MLP.
    layers: how many blocks.
    period: tokens after which positions look alike.
    rngs: its `params` stream draws the initial parameters.
  """

  def __init__(
    self,
    vocabulary: int,
    *,
    width: int,
    heads: int,
    planes: int,
    hidden: int,
    layers: int,
    period: int,
    rngs: nnx.Rngs,
  ):
    drawn = nnx.initializers.normal(width**-0.5)(rngs.params(), (vocabulary, width))
    self.embedding = nnx.Param(drawn)
    blocks = (Block(width, heads, planes, hidden, period, rngs) for _ in range(layers))
    self.blocks = nnx.Sequential(*blocks)
    self.norm = Norm(width)

  def __call__(self, tokens: jax.Array, asked: int = 0) -> jax.Array:
    """Logits of what follows each token from `asked` on: int (B, T) -> (B, S, vocabulary)."""
    *first, last = cast(Sequence[Block], self.blocks.layers)
    one_hot = jax.nn.one_hot(tokens.T, len(self.embedding[...]), axis=0)
    x = _times(one_hot, self.embedding)
    for block in first:
      x = block(x)
    x = self.norm(last(x, asked))
    return jnp.einsum("dsb,vd->bsv", x, self.embedding[...])
