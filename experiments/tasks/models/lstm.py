"""A layer of long short-term memory, with torch's gates, written for the processor's time.

    i, f, g, o = x_t W_x + h_{t-1} W_h + b      (torch's order; its two biases are one sum here)
    c_t = σ(f) c_{t-1} + σ(i) tanh(g)
    h_t = σ(o) tanh(c_t)

Differentiated as it stands, a scan adds to a weight's gradient at each step: it reads and writes
megabytes for a few rows. Here the steps go in blocks. Within one the backward loop only keeps
the gates' gradients; the products with the inputs, and the weights' gradients, are of all steps
of the block at once. All loops have static lengths; a group's blocks after the last step that is
wanted are skipped, which costs a branch for each block, not one for each step.

Shapes: G groups, one after another; T steps; B rows; D inputs; H units; S steps of a block;
K blocks of all groups.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from experiments.tasks.models.layers import uniform

BLOCK = 16  # S


class Weights(NamedTuple):
  """Of one layer: (D, 4H), (H, 4H), (4H,)."""

  x: jax.Array
  h: jax.Array
  b: jax.Array


class States(NamedTuple):
  """h and c: (..., B, H)."""

  h: jax.Array
  c: jax.Array


@jax.custom_vjp
def lstm(weights: Weights, x: jax.Array, initial: States, steps: jax.Array | None) -> States:
  """The states after each step; those of a block that is skipped are 0.

  Args:
    weights: of the layer; JAX's arrays, as the others, and all of one float dtype.
    x: (G, T, B, D).
    initial: (G, B, H) each.
    steps: int (G,), at most T, how many are wanted of each group; may be traced. None makes all,
      and branches nowhere, which suits an accelerator.

  Returns:
    (G, T, B, H) each.
  """
  return _forward(weights, x, initial, steps)[0]


def _blocked(a: jax.Array) -> jax.Array:
  """(G, T, ...) -> (K, S, ...), each group filled up with zeros."""
  filling = [(0, 0), (0, -a.shape[1] % BLOCK)] + [(0, 0)] * (a.ndim - 2)
  return jnp.pad(a, filling).reshape(-1, BLOCK, *a.shape[2:])


def _steps(a: jax.Array, like: jax.Array) -> jax.Array:
  """(K, S, ...) -> (G, T, ...), as `like` has them."""
  return a.reshape(len(like), -1, *a.shape[2:])[:, : like.shape[1]]


def _at(tree: Any, index: jax.typing.ArrayLike) -> Any:
  return jax.tree.map(lambda a: a[index], tree)


def _put(tree: Any, index: jax.typing.ArrayLike, values: Any) -> Any:
  return jax.tree.map(lambda a, v: a.at[index].set(v), tree, values)


def _choose(condition: jax.Array, first: Any, second: Any) -> Any:
  return jax.tree.map(lambda a, b: jnp.where(condition, a, b), first, second)


@jax.custom_batching.custom_vmap
def _of_any(wanted: jax.Array) -> jax.Array:
  """Of members side by side whether one of them says so; else the branch would go both ways."""
  return wanted


@_of_any.def_vmap
def _(axis_size, in_batched, wanted):
  del axis_size, in_batched
  return _of_any(wanted.any(0)), False


def _over_blocks(
  block: Callable, carry: Any, groups: int, blocks: int, steps: jax.Array | None, **order: bool
) -> Any:
  """`block(carry, k, group, whether its first)` for each block k that is wanted.

  What is written for a block is in the carry, and not beside it, so that a block that is skipped
  writes nothing.
  """

  def made_if_wanted(carry, k):
    group, number = k // (blocks // groups), k % (blocks // groups)

    def made(carry):
      return block(carry, k, group, number == 0)

    if steps is None:
      return made(carry), None
    wanted = _of_any(number * BLOCK < steps[group])
    return jax.lax.cond(wanted, made, lambda carry: carry, carry), None

  return jax.lax.scan(made_if_wanted, carry, jnp.arange(blocks), **order)[0]


def _halves(matrix: jax.Array) -> list[jax.Array]:
  return jnp.array_split(matrix, 2, axis=1)


def _product(rows: jax.Array, halves: list[jax.Array]) -> jax.Array:
  """rows @ the matrix of two halves, which two cores multiply at a time: a few rows stay on one."""
  return jnp.concatenate([rows @ half for half in halves], axis=-1)


def _activated(gates: jax.Array) -> tuple[jax.Array, ...]:
  i, f, g, o = jnp.split(gates, 4, axis=-1)
  return jax.nn.sigmoid(i), jax.nn.sigmoid(f), jnp.tanh(g), jax.nn.sigmoid(o)


def _forward(weights, x, initial, steps):
  blocks = _blocked(x)
  halves = _halves(weights.h)

  def step(before, from_x):
    z = from_x + _product(before.h, halves)
    i, f, g, o = _activated(z)
    c = f * before.c + i * g
    after = States(o * jnp.tanh(c), c)
    return after, (after, z)

  def block(carry, k, group, is_first):
    state, kept = carry
    state = _choose(is_first, _at(initial, group), state)
    state, here = jax.lax.scan(step, state, blocks[k] @ weights.x + weights.b[None, None])
    return state, _put(kept, k, here)

  def zeros(width):
    return jnp.zeros((*blocks.shape[:-1], width), x.dtype)

  units = len(weights.h)
  kept = States(zeros(units), zeros(units)), zeros(4 * units)
  _, kept = _over_blocks(block, (_at(initial, 0), kept), len(x), len(blocks), steps)
  states = jax.tree.map(lambda s: _steps(s, x), kept[0])
  return states, (weights, x, initial, *kept, steps)


def _backward(residuals, cotangents):
  weights, x, initial, after, gates, steps = residuals
  halves = _halves(weights.h.T)
  blocks, cotangents = _blocked(x), jax.tree.map(_blocked, cotangents)

  def step(d_after, at):
    z, c_before, c, from_h, from_c = at
    i, f, g, o = _activated(z)
    dh = d_after.h + from_h
    dc = d_after.c + from_c + dh * o * (1 - jnp.tanh(c) ** 2)
    dz = jnp.concatenate(
      [
        dc * g * i * (1 - i),
        dc * c_before * f * (1 - f),
        dc * i * (1 - g**2),
        dh * jnp.tanh(c) * o * (1 - o),
      ],
      axis=-1,
    )
    return States(_product(dz, halves), dc * f), dz

  def block(carry, k, group, is_first):
    d_state, d_weights, dx, d_initial = carry
    here = _at(after, k)
    last = jax.tree.map(lambda s: s[k - 1, -1], after)
    last = _choose(is_first, _at(initial, group), last)
    before = jax.tree.map(lambda one, s: jnp.concatenate([one[None], s[:-1]]), last, here)
    at = (gates[k], before.c, here.c, *_at(cotangents, k))
    d_state, dz = jax.lax.scan(step, d_state, at, reverse=True)
    rows, x_rows, h_rows = (a.reshape(-1, a.shape[-1]) for a in (dz, blocks[k], before.h))
    of_block = Weights(x_rows.T @ rows, h_rows.T @ rows, rows.sum(0))
    return (
      jax.tree.map(lambda d: jnp.where(is_first, 0, d), d_state),  # another group's end is next
      jax.tree.map(jnp.add, d_weights, of_block),
      dx.at[k].set(dz @ weights.x.T),
      _put(d_initial, group, d_state),
    )

  nothing = jax.tree.map(jnp.zeros_like, (initial, weights))
  carry = (_at(nothing[0], 0), nothing[1], jnp.zeros_like(blocks), nothing[0])
  _, d_weights, dx, d_initial = _over_blocks(block, carry, len(x), len(blocks), steps, reverse=True)
  return d_weights, _steps(dx, x), d_initial, None


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
