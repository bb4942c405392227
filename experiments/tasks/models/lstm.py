"""A layer of long short-term memory, with torch's gates, written for the processor's time.

    i, f, g, o = x_t W_x + h_{t-1} W_h + b      (torch's order; its two biases are one sum here)
    c_t = σ(f) c_{t-1} + σ(i) tanh(g)
    h_t = σ(o) tanh(c_t)

Differentiated as it stands, a scan adds to a weight's gradient at each step: it reads and writes
megabytes for a few rows. Here the steps go in blocks. The backward loop over a block's steps
makes the gates' gradients alone; the products with the inputs, and the weights' gradients, are of
all its steps at once. The gates are computed a second time, from the states: to keep them would
take more time, for they are four times as large. All loops have static lengths; blocks after
the last step that is wanted are skipped, for one branch a block.

Shapes: T steps; B rows; D inputs; H units; S steps of a block.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from flax import nnx

from experiments.tasks.models.layers import uniform

BLOCK = 32  # S

Steps: TypeAlias = jax.typing.ArrayLike | None


class Weights(NamedTuple):
  """The weights of one layer: (D, 4H), (H, 4H), (4H,)."""

  x: jax.Array
  h: jax.Array
  b: jax.Array


class States(NamedTuple):
  """The state h and the cell c: (B, H) each, or (T, B, H) after each step."""

  h: jax.Array
  c: jax.Array


@jax.custom_vjp
def lstm(weights: Weights, x: jax.Array, initial: States, steps: Steps) -> States:
  """The states after each step; those from the next whole block after `steps` on are 0.

  Args:
    weights: of the layer; JAX's arrays, as the others, and all of one float dtype.
    x: (T, B, D).
    initial: (B, H) each.
    steps: int (), at most T, how many are wanted; may be traced. None makes all, and branches
      nowhere, which suits an accelerator. Under `vmap` with a number for each member nothing
      is skipped.

  Returns:
    (T, B, H) each.
  """
  return _forward(weights, x, initial, steps)[0]


def _activated(gates: jax.Array) -> tuple[jax.Array, ...]:
  i, f, g, o = jnp.split(gates, 4, axis=-1)
  return jax.nn.sigmoid(i), jax.nn.sigmoid(f), jnp.tanh(g), jax.nn.sigmoid(o)


def _blocked(a: jax.Array) -> jax.Array:
  """(T, ...) -> (blocks, S, ...), filled up with zeros."""
  filling = [(0, -len(a) % BLOCK)] + [(0, 0)] * (a.ndim - 1)
  return jnp.pad(a, filling).reshape(-1, BLOCK, *a.shape[1:])


def _flat(a: jax.Array) -> jax.Array:
  """(blocks, S, ...) -> (blocks S, ...)."""
  return a.reshape(-1, *a.shape[2:])


def _where_wanted(number: jax.Array, steps: Steps, block: Callable, carry: Any) -> tuple[Any, Any]:
  """`block(carry)`, or the carry and zeros where all of the block's steps come after `steps`."""
  if steps is None:
    return block(carry)
  nothing = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), jax.eval_shape(block, carry)[1])
  return jax.lax.cond(number * BLOCK < steps, block, lambda carry: (carry, nothing), carry)


def _forward(weights, x, initial, steps):
  def step(before, from_x):
    i, f, g, o = _activated(from_x + before.h @ weights.h)
    c = f * before.c + i * g
    after = States(o * jnp.tanh(c), c)
    return after, after

  def block(start, number_and_x):
    number, x = number_and_x

    def made(start):
      return jax.lax.scan(step, start, x @ weights.x + weights.b[None, None])

    end, after = _where_wanted(number, steps, made, start)
    return end, (start, after)

  blocks = _blocked(x)
  _, (starts, after) = jax.lax.scan(block, initial, (jnp.arange(len(blocks)), blocks))
  states = jax.tree.map(lambda a: _flat(a)[: len(x)], after)
  return states, (weights, x, starts, after, steps)


def _backward(residuals, cotangents):
  weights, x, starts, after, steps = residuals
  to_x, to_h = weights.x.T, weights.h.T

  def step(later, at):
    z, c_before, c, here = at
    i, f, g, o = _activated(z)
    tanh_c = jnp.tanh(c)
    dh = later.h + here.h
    dc = later.c + here.c + dh * o * (1 - tanh_c**2)
    dz = jnp.concatenate(
      [
        dc * g * i * (1 - i),
        dc * c_before * f * (1 - f),
        dc * i * (1 - g**2),
        dh * tanh_c * o * (1 - o),
      ],
      axis=-1,
    )
    return States(dz @ to_h, dc * f), dz

  def block(carry, of_block):
    number, x, start, after, here = of_block

    def made(carry):
      later, sums = carry
      before = jax.tree.map(lambda s, a: jnp.concatenate([s[None], a[:-1]]), start, after)
      z = x @ weights.x + before.h @ weights.h + weights.b[None, None]
      earlier, dz = jax.lax.scan(step, later, (z, before.c, after.c, here), reverse=True)
      dz_rows = _flat(dz)
      dweights = Weights(_flat(x).T @ dz_rows, _flat(before.h).T @ dz_rows, dz_rows.sum(0))
      return (earlier, jax.tree.map(jnp.add, sums, dweights)), dz @ to_x

    return _where_wanted(number, steps, made, carry)

  here = jax.tree.map(_blocked, States(*cotangents))
  nothing = jax.tree.map(lambda s: jnp.zeros_like(s[0]), starts)
  (dinitial, dweights), dx = jax.lax.scan(
    block,
    (nothing, jax.tree.map(jnp.zeros_like, weights)),
    (jnp.arange(len(here.h)), _blocked(x), starts, after, here),
    reverse=True,
  )
  return dweights, _flat(dx)[: len(x)], dinitial, None


lstm.defvjp(_forward, _backward)


class Layer(nnx.Module):
  """The weights of one layer, drawn as torch draws them; like torch's it has two biases.

  Adam moves each of the two, and so their sum twice as far as one would go.

  Args:
    inputs: D.
    units: H.
    rngs: its `params` stream draws the initial parameters.
  """

  def __init__(self, inputs: int, units: int, rngs: nnx.Rngs):
    def draw(*shape):
      return nnx.Param(uniform(units)(rngs.params(), shape))

    self.units = units
    self.x, self.h = draw(inputs, 4 * units), draw(units, 4 * units)
    self.bias_x, self.bias_h = draw(4 * units), draw(4 * units)

  def weights(self) -> Weights:
    """The weights as `lstm` takes them, the biases as their sum."""
    return Weights(self.x[...], self.h[...], self.bias_x + self.bias_h)
