"""Gromov's network of one hidden layer, whose activation is the square.

    logits = (U[x] + V[y])² W

The square has the product U[x] · V[y], so that waves of x and y make one of x ∘ y. From Gromov,
`Grokking modular arithmetic <https://arxiv.org/abs/2301.02679>`_, 2023, where it has an
analytical solution.
"""

import jax
from flax import nnx

from experiments.tasks.models.layers import OperandDtype, linear


class Quadratic(nnx.Module):
  """A quadratic network that answers x ∘ y.

  Args:
    p: the modulus, or how many there are to combine.
    width: D, of the hidden layer.
    operands: what its matrix product multiplies; sums are float32.
    rngs: its `params` stream draws the initial parameters, all from N(0, 1/p).
  """

  def __init__(
    self, p: int, *, width: int = 128, operands: OperandDtype = "float32", rngs: nnx.Rngs
  ):
    normal = nnx.initializers.normal(p**-0.5)
    self.embed_x = nnx.Embed(p, width, embedding_init=normal, rngs=rngs)
    self.embed_y = nnx.Embed(p, width, embedding_init=normal, rngs=rngs)
    self.head = linear(width, p, rngs, use_bias=False, operands=operands, kernel_init=normal)

  def __call__(self, x: jax.Array, y: jax.Array) -> jax.Array:
    """Logits of the answers to x ∘ y: int (B,), int (B,) -> (B, p)."""
    return self.head((self.embed_x(x) + self.embed_y(y)) ** 2)
