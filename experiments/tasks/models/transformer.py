"""The paper's decoder-only transformer, for rows [x, op, y, eq] of a table of x ∘ y.

The architecture is the reference's to the letter; two layers of width 128 have
422,784 parameters. The residual stream itself passes through each block's first
LayerNorm, and the answer is read at the last position.

The computation is not the plain one. The model is causal and two of the four
tokens never change, so what happens at positions 0 and 1 depends on x alone, and
what the first layer projects at position 2 depends on y alone: p rows each, fewer
than a batch has. They are computed once for each number and then looked up, for
a step in about half the time. The tests hold it against the plain form.

Shapes: B rows of data, D the width, H heads of K = D/H, p numbers, and R for
the rows of a table: B, or p, or 1 where every row of data is alike.
"""

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

import jax
import jax.numpy as jnp
from flax import nnx

from experiments.tasks.models.layers import OperandDtype, linear

POSITIONS = 5  # of which four are used, as in the reference


def _layer_norm(width: int, rngs: nnx.Rngs) -> nnx.LayerNorm:
  return nnx.LayerNorm(width, epsilon=1e-5, use_fast_variance=False, rngs=rngs)


class Stream(NamedTuple):
  """The residual stream at one position, with its query, key and value."""

  h: jax.Array  # (R, D)
  q: jax.Array  # (R, H, K)
  k: jax.Array  # (R, H, K)
  v: jax.Array  # (R, H, K)

  def at(self, index: jax.Array) -> "Stream":
    """The rows that `index` names."""
    return Stream(*(rows[index] for rows in self))


def _attention(context: Sequence[Stream]) -> jax.Array:
  """What the last position of `context` gathers from all of it: (R, D)."""
  q = context[-1].q
  # A handful of tokens: elementwise products beat small matrix products.
  scores = [jnp.sum(q * there.k, axis=-1) / q.shape[-1] ** 0.5 for there in context]
  weights = jax.nn.softmax(jnp.stack(jnp.broadcast_arrays(*scores)), axis=0)
  mixed = sum(w[..., None] * there.v for w, there in zip(weights, context, strict=True))
  return jnp.reshape(mixed, (weights.shape[1], -1))


def _by_rows(function: Callable, *arguments: Sequence[jax.Array]) -> list:
  """`function` for each group of rows, computed for the rows of all groups at once."""
  ends = list(itertools.accumulate(len(group) for group in arguments[0]))
  rows = function(*map(jnp.concatenate, arguments))
  starts = [0, *ends[:-1]]
  return [jax.tree.map(lambda r: r[i:j], rows) for i, j in zip(starts, ends, strict=True)]  # noqa: B023


class Block(nnx.Module):
  """x = LN(x); x = x + attention(x); x = x + MLP(LN(x))."""

  def __init__(self, width: int, heads: int, operands: OperandDtype, rngs: nnx.Rngs):
    dense = functools.partial(linear, rngs=rngs, operands=operands)
    self.heads = heads
    self.ln_1 = _layer_norm(width, rngs)
    xavier, zeros = nnx.initializers.xavier_uniform(), nnx.initializers.zeros
    self.qkv = dense(width, 3 * width, kernel_init=xavier, bias_init=zeros)
    self.out = dense(width, width, bias_init=zeros)
    self.ln_2 = _layer_norm(width, rngs)
    self.mlp_in = dense(width, 4 * width)
    self.mlp_out = dense(4 * width, width)

  def _project(self, x: jax.Array) -> Stream:
    h = self.ln_1(x)
    qkv = self.qkv(h).reshape(h.shape[0], 3, self.heads, -1)
    return Stream(h, qkv[:, 0], qkv[:, 1], qkv[:, 2])

  def project(self, *xs: jax.Array) -> list[Stream]:
    """Each (R, D) -> the stream, normalised, and its projections."""
    return _by_rows(self._project, xs)

  def _answer(self, h: jax.Array, mixed: jax.Array) -> jax.Array:
    x = h + self.out(mixed)
    return x + self.mlp_out(jax.nn.gelu(self.mlp_in(self.ln_2(x)), approximate=False))

  def attend(self, *contexts: Sequence[Stream]) -> list[jax.Array]:
    """For each context the stream after this block at its last position: (R, D)."""
    mixed = [_attention(context) for context in contexts]
    here = [jnp.broadcast_to(c[-1].h, m.shape) for c, m in zip(contexts, mixed, strict=True)]
    return _by_rows(self._answer, here, mixed)


class Transformer(nnx.Module):
  """A decoder-only transformer that answers x ∘ y.

  Args:
    p: the modulus, or how many there are to combine; the vocabulary is the numbers below p, then
      eq = p, op = p + 1.
    width: D.
    heads: H, a divisor of D.
    layers: how many blocks.
    operands: what its matrix products multiply; sums are float32.
    rngs: its `params` stream draws the initial parameters.
  """

  def __init__(
    self,
    p: int,
    *,
    width: int = 128,
    heads: int = 4,
    layers: int = 2,
    operands: OperandDtype = "float32",
    rngs: nnx.Rngs,
  ):
    normal = nnx.initializers.normal(1.0)
    self.p = p
    self.tokens = nnx.Embed(p + 2, width, embedding_init=normal, rngs=rngs)
    self.positions = nnx.Embed(POSITIONS, width, embedding_init=normal, rngs=rngs)
    self.blocks = nnx.Sequential(*(Block(width, heads, operands, rngs) for _ in range(layers)))
    self.ln_f = _layer_norm(width, rngs)
    self.head = linear(width, p + 2, rngs, use_bias=False, operands=operands)

  def _embed(self, tokens: jax.Array, position: int) -> jax.Array:
    return self.tokens(tokens) + self.positions(jnp.asarray([position]))

  def __call__(self, x: jax.Array, y: jax.Array) -> jax.Array:
    """Logits of the answers to x ∘ y: int (B,), int (B,) -> (B, p + 2)."""
    first, *others = blocks = cast(Sequence[Block], self.blocks.layers)
    numbers, eq, op = jnp.arange(self.p), jnp.asarray([self.p]), jnp.asarray([self.p + 1])

    # At position 0 a row for each x; at 1 one row, from the second block on one for
    # each x; at 2 a row for each y, then one for each pair; at 3 one, then for each pair.
    by_x, by_x_op, by_y, at_eq = first.project(
      self._embed(numbers, 0), self._embed(op, 1), self._embed(numbers, 2), self._embed(eq, 3)
    )
    at_x, at_op, at_y = by_x.at(x), by_x_op, by_y.at(y)
    for block, following in zip(blocks, others, strict=False):
      by_x, by_x_op, at_y, at_eq = following.project(
        *block.attend((by_x,), (by_x, by_x_op), (at_x, at_op, at_y), (at_x, at_op, at_y, at_eq))
      )
      at_x, at_op = by_x.at(x), by_x_op.at(x)
    (answer,) = blocks[-1].attend((at_x, at_op, at_y, at_eq))
    return self.head(self.ln_f(answer))
