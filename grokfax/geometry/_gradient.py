"""The gradient turned off the parameters, or made equal in all its directions."""

from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
import optax
from jax.sharding import PartitionSpec

from grokfax import _arguments, _trees, masks
from grokfax.masks import Mask


def _scaled(x: jax.Array, axes: tuple[int, ...] | None = None) -> tuple[jax.Array, jax.Array]:
  """An array whose largest element is 1, so that its squares neither overflow nor vanish; and it.

  Of zeros it is 0.
  """
  largest = jnp.max(jnp.abs(x), axis=axes, keepdims=True, initial=0.0)
  return x / jnp.where(largest > 0, largest, 1), largest


def _inner(x: jax.Array, y: jax.Array) -> jax.Array:
  """Σ x·y, real; a complex array counts as its two parts. (A dot product would round on a TPU.)"""
  return jnp.sum(jnp.real(jnp.conj(x) * y))


def orthogonal_gradient() -> optax.GradientTransformationExtraArgs:
  r"""Takes from each gradient its part along the parameters (⊥Grad), and keeps its norm.

  .. math::

    g_\perp = g - \frac{\langle w, g \rangle}{\langle w, w \rangle} w, \qquad
    \hat g = \frac{\lVert g \rVert}{\lVert g_\perp \rVert} g_\perp

  for each array of parameters w. Once the training data is memorised, the gradient
  of a cross entropy points along the parameters: it makes the logits larger and
  teaches nothing. Without that part a network groks without weight decay.

  Parameters that are all 0, and arrays of one element, for which nothing is
  orthogonal, pass their gradient on. A gradient along the parameters, but for
  rounding, gives 0. Where a norm is over more than one array, or only some arrays are to be
  turned, ``optax.flatten`` and ``optax.masked`` are for that. Works on gradients
  of any shape and of any floating or complex dtype; what comes out has the shape
  and dtype of what went in.

  Returns:
    A gradient transformation without a state, to be chained before the optimizer;
    its update needs the parameters.

  Raises:
    ValueError: in ``update``, if the parameters are not given.

  Examples:
    >>> import grokfax, jax.numpy as jnp, optax
    >>> tx = grokfax.orthogonal_gradient()
    >>> w = jnp.asarray([0.0, 2.0])
    >>> update, state = tx.update(jnp.asarray([3.0, 4.0]), tx.init(w), w)
    >>> print(update)
    [5. 0.]

    >>> tx = optax.chain(grokfax.orthogonal_gradient(), optax.adam(1e-3))

  References:
    Prieto et al., `Grokking at the Edge of Numerical Stability
    <https://arxiv.org/abs/2501.04697>`_, 2025, section 5.
  """

  def turn(g, w):
    if jnp.size(g) < 2:
      return jnp.asarray(g)
    g, w = _trees.promoted(g, jnp.asarray(w, _trees.accumulator_dtype_of(w, None)))
    (unit, size), (w, _) = _scaled(g), _scaled(w)
    squared = _inner(w, w)
    turned = unit
    for _ in range(2):  # twice: what is left along w is then a rounding of what is left at all
      turned -= _trees.as_scalar_of(_inner(w, turned) / jnp.where(squared > 0, squared, 1), w) * w
    before, after = jnp.sqrt(_inner(unit, unit)), jnp.sqrt(_inner(turned, turned))
    along = after <= 8 * jnp.finfo(g.dtype).eps * before
    turned *= jnp.where(along, 0, before / jnp.where(along, 1, after)) * size
    return jnp.where(squared > 0, turned, g)

  def update_fn(updates, state, params=None, **extra_args):
    del extra_args
    if params is None:
      raise ValueError("orthogonal_gradient needs the parameters: update(grads, state, params).")
    return _trees.emit(turn, updates, params), state

  return optax.GradientTransformationExtraArgs(_no_state, update_fn)


def _no_state(params: optax.Params) -> optax.EmptyState:
  jax.tree_util.tree_map_with_path(_trees.check_array, params)
  return optax.EmptyState()


# Muon's polynomial: in five steps it brings singular values from .002 to 1 to between .68 and 1.21.
_QUINTIC = (3.4445, -4.7750, 2.0315)


def _by_svd(x: jax.Array) -> jax.Array:
  u, s, vh = jnp.linalg.svd(x, full_matrices=False)
  noise = jnp.finfo(s.dtype).eps * max(x.shape[-2:]) * s[..., :1]
  return jnp.matmul(u * (s > noise)[..., None, :], vh, precision="highest")


def _by_columns(x: jax.Array) -> jax.Array:
  norm = jnp.sqrt(jnp.sum(jnp.abs(x) ** 2, axis=-2, keepdims=True))
  return x / jnp.where(norm > 0, norm, 1)


def _by_newton_schulz(x: jax.Array, steps: int) -> jax.Array:
  def product(a, b):
    return jnp.matmul(a, b, precision="highest")

  wide = x.shape[-2] > x.shape[-1]  # the smaller of both products
  x = jnp.conj(jnp.matrix_transpose(x)) if wide else x
  norm = jnp.sqrt(jnp.sum(jnp.abs(x) ** 2, axis=(-2, -1), keepdims=True))
  x = x / jnp.where(norm > 0, norm, 1)
  a, b, c = _QUINTIC
  for _ in range(steps):
    square = product(x, jnp.conj(jnp.matrix_transpose(x)))
    x = a * x + product(b * square + c * product(square, square), x)
  return jnp.conj(jnp.matrix_transpose(x)) if wide else x


def _gathered(g: jax.Array) -> tuple[jax.Array, PartitionSpec | None]:
  """A gradient that is sharded over explicit axes of a mesh, whole; and how it was."""
  spec = jax.typeof(g).sharding.spec
  if not any(spec):
    return g, None
  return jax.sharding.reshard(g, PartitionSpec(*[None] * g.ndim)), spec


def egalitarian_gradient(
  method: Literal["svd", "newton_schulz", "columns"] = "svd",
  *,
  ns_steps: int = 5,
  stacked: Mask = None,
) -> optax.GradientTransformationExtraArgs:
  r"""Makes each matrix's gradient equal in all its directions (egalitarian gradient descent).

  .. math::

    G = U \Sigma V^\top \quad \to \quad \hat G = U V^\top

  so that all directions are learnt at one speed. It acts on the raw gradient, and
  the scale of that is gone: the learning rate is for matrices whose singular
  values are 1. Arrays with less than two axes pass. One with more is a matrix of
  its last axis by all others, as a convolution's kernel is (height, width, in,
  out), unless it is ``stacked``. A gradient of zeros stays so.

  Works on gradients of any floating or complex dtype, computed at least in
  float32; what comes out has the shape and dtype of what went in.

  Args:
    method: "svd" is exact; directions without a gradient, up to rounding, stay
      without one. "newton_schulz" is Muon's polynomial, in products of matrices
      alone: singular values from 0.002 of the matrix's norm on come out between
      0.68 and 1.21 (after five steps). "columns" divides each column, the gradient
      of one output (in, out), by its norm: the cheapest, and not the same thing.
    ns_steps: of Newton and Schulz's iteration, a Python int >= 1.
    stacked: which arrays are stacks of matrices on their first axis, as the layers
      of an ``nn.scan``: each is then one by itself. None for no array, a tree of
      bools, or a function from the gradients to one, such as :func:`by_path`.

  Returns:
    A gradient transformation without a state, to be chained before the optimizer.

  Raises:
    ValueError: if ``method`` is unknown, or ``ns_steps`` is no int >= 1.

  Examples:
    >>> import grokfax, jax.numpy as jnp, optax
    >>> tx = grokfax.egalitarian_gradient()
    >>> update, state = tx.update(jnp.diag(jnp.asarray([3.0, -0.1])), tx.init(jnp.ones((2, 2))))
    >>> print(update.round(3) + 0.0)
    [[ 1.  0.]
     [ 0. -1.]]

    Of the matrices, by plain descent:

    >>> tx = optax.chain(grokfax.egalitarian_gradient("columns"), optax.sgd(0.1))

  References:
    Pasand and Dohmatob, `Egalitarian Gradient Descent
    <https://arxiv.org/abs/2510.04930>`_, 2025; the polynomial: Jordan et al.,
    `Muon <https://kellerjordan.github.io/posts/muon>`_, 2024.
  """
  rules: dict[str, Callable[[jax.Array], jax.Array]] = {
    "svd": _by_svd,
    "newton_schulz": lambda x: _by_newton_schulz(x, ns_steps),
    "columns": _by_columns,
  }
  _arguments.check_choice("method", method, tuple(rules))
  _arguments.check_size("ns_steps", ns_steps)
  _arguments.check_mask(stacked, name="stacked")

  def equalise(g, in_stack):
    shape = jnp.shape(g)
    if len(shape) < (3 if in_stack else 2) or not jnp.size(g):
      return jnp.asarray(g)
    stack = shape[:1] if in_stack else ()
    g, sharding = _gathered(g)
    matrices = jnp.reshape(g, (*stack, -1, shape[-1]))
    matrices = jnp.asarray(matrices, _trees.accumulator_dtype_of(g, None))
    unit, _ = _scaled(matrices, axes=(-2, -1))
    equal = jnp.reshape(rules[method](unit), shape)
    return equal if sharding is None else jax.sharding.reshard(equal, sharding)

  def update_fn(updates, state, params=None, **extra_args):
    del params, extra_args
    none = jax.tree.map(lambda _: False, updates)
    in_stack = none if stacked is None else masks.spread(stacked, updates)
    return _trees.emit(equalise, updates, in_stack), state

  return optax.GradientTransformationExtraArgs(_no_state, update_fn)
