"""The filters under test before AdamW, parameters of several sizes, and what each must move."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

import grokfax
from experiments.tasks import modular
from experiments.training.devices import bytes_of


class Kind(NamedTuple):
  """What stands before AdamW, and the least that it can do with, in arrays like the parameters.

  Attributes:
    filters: makes it.
    sums: accumulators, each read and written once a step, in float32 at least.
    window: gradients that are kept, in their own dtype.
    slots: how many of those a step reads or writes.
  """

  filters: Callable[[], list[optax.GradientTransformation]]
  sums: int = 0
  window: int = 0
  slots: int = 0


def ma(window_size: int) -> Kind:
  """The moving average over a window."""
  # One sum would do, were it never renewed: 11 floats a parameter instead of 13.
  return Kind(lambda: [grokfax.grokfast_ma(window_size)], sums=2, window=window_size, slots=2)


def _in_blocks(window_size: int, blocks: int) -> Kind:
  """The same by sums of blocks, a slot each (in float32 everywhere): the newest is read too."""
  return Kind(
    lambda: [grokfax.grokfast_ma(window_size, blocks=blocks)],
    sums=1,
    window=blocks + 1,
    slots=3,
  )


def _fir(length: int) -> Kind:
  return Kind(lambda: [grokfax.grokfast_fir([1 / length] * length)], window=length, slots=length)


KINDS = {
  "adamw": Kind(list),
  "ema": Kind(lambda: [grokfax.grokfast_ema()], sums=1),
  "ma 10": ma(10),
  "ma 100": ma(100),
  "ma 1000": ma(1000),
  "ma 100 in 10": _in_blocks(100, 10),
  "ma 1000 in 10": _in_blocks(1000, 10),
  "fir 10": _fir(10),
  "iir 2": Kind(lambda: [grokfax.grokfast_iir([0.01], [1.0, -1.8, 0.81])], sums=2),
  "multiscale 3": Kind(
    lambda: [grokfax.grokfast_multiscale([0.9, 0.99, 0.999], [1.0] * 3)], sums=3
  ),
}


def optimizer(kind: Kind) -> optax.GradientTransformation:
  """The filter, then AdamW."""
  return optax.chain(*kind.filters(), optax.adamw(1e-3))


def _modular() -> Any:
  return jax.eval_shape(modular.model(modular.Settings()).init, jax.random.key(0))


def _square_matrices() -> Any:
  return [(1000, 1000)] * 20


def gpt2() -> dict[str, Any]:
  """The shapes of GPT-2's 124,439,808 parameters: 12 blocks of width 768."""
  d = 768
  norm = {"scale": (d,), "bias": (d,)}
  block = {
    "ln_1": norm,
    "qkv": {"kernel": (d, 3 * d), "bias": (3 * d,)},
    "out": {"kernel": (d, d), "bias": (d,)},
    "ln_2": norm,
    "mlp_in": {"kernel": (d, 4 * d), "bias": (4 * d,)},
    "mlp_out": {"kernel": (4 * d, d), "bias": (d,)},
  }
  return {"tokens": (50_257, d), "positions": (1_024, d), "blocks": [block] * 12, "ln_f": norm}


SIZES: dict[str, Callable[[], Any]] = {"modular": _modular, "20M": _square_matrices, "124M": gpt2}


def parameters(size: str, dtype: jax.typing.DTypeLike) -> Any:
  """Shapes and dtypes of the parameters of a size.

  >>> [sum(p.size for p in jax.tree.leaves(parameters(size, "float32"))) for size in SIZES]
  [422784, 20000000, 124439808]
  """

  def leaf(shape):
    return jax.ShapeDtypeStruct(getattr(shape, "shape", shape), jnp.dtype(dtype))

  def is_shape(node):
    return isinstance(node, tuple) and all(isinstance(n, int) for n in node)

  return jax.tree.map(leaf, SIZES[size](), is_leaf=is_shape)


def least_state_bytes(kind: Kind, params: Any) -> int:
  """AdamW's two moments, the window and the sums."""
  own, ring, wide = _bytes(params)
  return 2 * own + kind.window * ring + kind.sums * wide


def least_moved_bytes(kind: Kind, params: Any) -> int:
  """What a step reads and writes at least: in floats AdamW 7, EMA 9, MA 13, FIR 7 + n."""
  own, ring, wide = _bytes(params)
  return 7 * own + kind.slots * ring + 2 * kind.sums * wide


def _bytes(params: Any) -> tuple[int, int, int]:
  """Of the parameters, of a slot of their ring, of a sum: on a CPU a ring is in float32."""
  own, wide = bytes_of(params), 4 * sum(leaf.size for leaf in jax.tree.leaves(params))
  return own, wide if jax.default_backend() == "cpu" else own, wide
