"""A layer of long short-term memory, with torch's gates, written for the processor's time.

    i, f, g, o = x_t W_x + h_{t-1} W_h + b      (torch's order; its two biases are one sum here)
    c_t = σ(f) c_{t-1} + σ(i) tanh(g)
    h_t = σ(o) tanh(c_t)

Differentiated as it stands, the scan adds to a weight's gradient at each step: it reads and
writes megabytes for a few rows. Here the backward loop only keeps the gates' gradients, and the
weights' are products over many steps at once. And both loops end with the longest sequence of
the batch, where a scan goes on to the longest of all.

Shapes: T steps, of which n are made; B rows; D inputs; H units.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from experiments.layers import uniform

BLOCK = 32  # steps over which the weights' gradients are summed at once


class Weights(NamedTuple):
  """Of one layer: (D, 4H), (H, 4H), (4H,)."""

  x: jax.Array
  h: jax.Array
  b: jax.Array


class States(NamedTuple):
  """h and c: (B, H), or (T + 1, B, H) with the initial ones first."""

  h: jax.Array
  c: jax.Array


def _activated(gates: jax.Array) -> tuple[jax.Array, ...]:
  i, f, g, o = jnp.split(gates, 4, axis=-1)
  return jax.nn.sigmoid(i), jax.nn.sigmoid(f), jnp.tanh(g), jax.nn.sigmoid(o)


@jax.custom_vjp
def lstm(weights: Weights, x: jax.Array, initial: States, steps: jax.Array) -> States:
  """All states of `steps` steps; those after them are 0.

  Args:
    weights: of the layer; JAX's arrays, as the others, and all of one float dtype.
    x: (T, B, D).
    initial: (B, H) each.
    steps: int (), at most T; may be traced.

  Returns:
    (T + 1, B, H) each, the initial ones first.
  """
  return _forward(weights, x, initial, steps)[0]


def _forward(weights, x, initial, steps):
  def step(t, carry):
    before, states, gates = carry  # apart: what is read before it is written is copied whole
    z = x[t] @ weights.x + before.h @ weights.h + weights.b[None]
    i, f, g, o = _activated(z)
    c = f * before.c + i * g
    after = States(o * jnp.tanh(c), c)
    states = jax.tree.map(lambda all_, s: all_.at[t + 1].set(s), states, after)
    return after, states, gates.at[t].set(z)

  states = jax.tree.map(lambda s: jnp.zeros((len(x) + 1, *s.shape), s.dtype).at[0].set(s), initial)
  gates = jnp.zeros((*x.shape[:2], len(weights.b)), x.dtype)
  _, states, gates = jax.lax.fori_loop(0, steps, step, (initial, states, gates))
  return states, (weights, x, states, gates, steps)


def _backward(residuals, cotangents):
  weights, x, states, gates, steps = residuals
  units = weights.h.shape[0]
  to_x, to_h = weights.x.T, weights.h.T

  def step(k, carry):
    dx, dz, dh, dc = carry
    t = steps - 1 - k
    c_before, c = states.c[t], states.c[t + 1]
    i, f, g, o = _activated(gates[t])
    dh = dh + cotangents.h[t + 1]
    dc = dc + cotangents.c[t + 1] + dh * o * (1 - jnp.tanh(c) ** 2)
    here = jnp.concatenate(
      [
        dc * g * i * (1 - i),
        dc * c_before * f * (1 - f),
        dc * i * (1 - g**2),
        dh * jnp.tanh(c) * o * (1 - o),
      ],
      axis=-1,
    )
    dx, dz = dx.at[t].set(here @ to_x), dz.at[t].set(here)
    return dx, dz, here @ to_h, dc * f

  length = -(-len(x) // BLOCK) * BLOCK
  dz = jnp.zeros((length, x.shape[1], 4 * units), x.dtype)
  nothing = jnp.zeros_like(states.h[0])
  dx, dz, dh, dc = jax.lax.fori_loop(0, steps, step, (jnp.zeros_like(x), dz, nothing, nothing))

  def block(k, sums):
    def rows(a):
      taken = jax.lax.dynamic_slice_in_dim(a, k * BLOCK, BLOCK)
      return taken.reshape(-1, taken.shape[-1])

    dz_here = rows(dz)
    return Weights(
      sums.x + rows(x_long).T @ dz_here,
      sums.h + rows(h_long).T @ dz_here,
      sums.b + dz_here.sum(0),
    )

  filling = ((0, length - len(x)), (0, 0), (0, 0))
  x_long, h_long = jnp.pad(x, filling), jnp.pad(states.h[:-1], filling)
  blocks = -(-steps // BLOCK)
  dweights = jax.lax.fori_loop(0, blocks, block, jax.tree.map(jnp.zeros_like, weights))
  dinitial = States(dh + cotangents.h[0], dc + cotangents.c[0])
  return dweights, dx, dinitial, None


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
    return Weights(self.x[...], self.h[...], self.bias_x + self.bias_h)
