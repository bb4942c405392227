"""Models as pure functions, and linear layers whose parameters are drawn as torch draws them."""

from collections.abc import Callable
from typing import Any

import jax
from flax import nnx


def pure(build: Callable[[nnx.Rngs], Any]) -> tuple[Callable[[jax.Array], Any], Callable[..., Any]]:
  """A model as (init, apply): key -> params, and (params, *inputs) -> outputs."""
  graph = nnx.graphdef(nnx.eval_shape(lambda: build(nnx.Rngs(0))))

  def init(key):
    return nnx.state(build(nnx.Rngs(key)))

  def apply(params, *inputs):
    return nnx.merge(graph, params)(*inputs)

  return init, apply


def uniform(fan_in: int) -> nnx.Initializer:
  """U(±1/√fan_in), torch's default for the weight and the bias of a linear layer."""
  return lambda key, shape, dtype=jax.numpy.float32: jax.random.uniform(
    key, shape, dtype, -(fan_in**-0.5), fan_in**-0.5
  )


def linear(
  inputs: int,
  outputs: int,
  rngs: nnx.Rngs,
  *,
  kernel_init: nnx.Initializer | None = None,
  bias_init: nnx.Initializer | None = None,
  use_bias: bool = True,
) -> nnx.Linear:
  return nnx.Linear(
    inputs,
    outputs,
    use_bias=use_bias,
    kernel_init=kernel_init or uniform(inputs),
    bias_init=bias_init or uniform(inputs),
    rngs=rngs,
  )


def scaled(params: Any, scale: float) -> Any:
  """All parameters times `scale`: away from the size at which networks generalize at once."""
  return jax.tree.map(lambda p: scale * p, params)
