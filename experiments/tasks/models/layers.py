"""Models as pure functions, and linear layers whose parameters are drawn as torch draws them."""

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import jax
import jax.numpy as jnp
from flax import nnx

OperandDtype: TypeAlias = Literal["float32", "bfloat16"]


def pure(
  build: Callable[[nnx.Rngs], Any], *, scale: float = 1.0
) -> tuple[Callable[[jax.Array], Any], Callable[..., Any]]:
  """A model as (init, apply): key -> params, and (params, *inputs) -> outputs.

  All initial parameters are times `scale`: away from the size at which networks generalize at once.
  """
  graph = nnx.graphdef(nnx.eval_shape(lambda: build(nnx.Rngs(0))))

  def init(key):
    return jax.tree.map(lambda p: scale * p, nnx.state(build(nnx.Rngs(key))))

  def apply(params, *inputs):
    return nnx.merge(graph, params)(*inputs)

  return init, apply


def uniform(fan_in: int) -> nnx.Initializer:
  """U(±1/√fan_in), torch's default for the weight and the bias of a linear layer."""
  return lambda key, shape, dtype=jnp.float32: jax.random.uniform(
    key, shape, dtype, -(fan_in**-0.5), fan_in**-0.5
  )


def _rounded_product(a: jax.Array, b: jax.Array) -> jax.Array:
  return jax.lax.dot(
    a.astype(jnp.bfloat16), b.astype(jnp.bfloat16), preferred_element_type=jnp.float32
  )


@jax.custom_vjp
def bfloat16_product(x: jax.Array, kernel: jax.Array) -> jax.Array:
  """x @ kernel of operands rounded to bfloat16, summed in float32; its gradients likewise."""
  return _rounded_product(x, kernel)


def _forward(x, kernel):
  return bfloat16_product(x, kernel), (x.astype(jnp.bfloat16), kernel.astype(jnp.bfloat16))


def _transposed(a: jax.Array) -> jax.Array:
  """a.T, written on a CPU as two flips.

  XLA would fold a plain transposition into the product, and its CPU backend would then multiply
  in float32.
  """

  def turned(a):
    return jnp.flip(jnp.flip(a, 0).T, 1)

  return jax.lax.platform_dependent(a, cpu=turned, default=jnp.transpose)


def _backward(operands, g):
  x, kernel = operands
  return _rounded_product(g, _transposed(kernel)), _rounded_product(_transposed(x), g)


bfloat16_product.defvjp(_forward, _backward)


def _bfloat16_dot_general(x, kernel, dimension_numbers, **_):
  assert dimension_numbers == (((x.ndim - 1,), (0,)), ((), ()))
  return bfloat16_product(x, kernel)


DOT_GENERAL = {"float32": jax.lax.dot_general, "bfloat16": _bfloat16_dot_general}


def linear(
  inputs: int,
  outputs: int,
  rngs: nnx.Rngs,
  *,
  kernel_init: nnx.Initializer | None = None,
  bias_init: nnx.Initializer | None = None,
  use_bias: bool = True,
  operands: OperandDtype = "float32",
) -> nnx.Linear:
  """A linear layer; `operands` are what its matrix product multiplies, sums are float32."""
  return nnx.Linear(
    inputs,
    outputs,
    use_bias=use_bias,
    kernel_init=kernel_init or uniform(inputs),
    bias_init=bias_init or uniform(inputs),
    dot_general=DOT_GENERAL[operands],
    rngs=rngs,
  )
