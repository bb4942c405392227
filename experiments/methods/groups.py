"""Groups of parameters, told by path and rank: embedding, head, matrices, and the rest."""

import re
from collections.abc import Hashable, Mapping
from typing import Any

import jax
import optax
from optax import contrib

from experiments.methods.method import Optimizer

GROUPS = ("embedding", "head", "matrices", "rest")
_HEAD = re.compile(r"(head|unembed|unembedding|readout|logits)(_?\d+)?(/|$)")


def group_of(path: str, rank: int) -> str:
  """The group of a parameter.

  What has less than two axes is the rest, biases of a head too. Of all else a head has a name
  in its path that ends so, an embedding one with "embed" in it, and the others are matrices.

  >>> group_of("lm_head/kernel", 2), group_of("tokens/embedding", 2), group_of("ln/scale", 1)
  ('head', 'embedding', 'rest')
  >>> group_of("multi_head_attention/query/kernel", 3)
  'matrices'
  """
  if rank < 2:
    return "rest"
  if _HEAD.search(path.lower()):
    return "head"
  return "embedding" if "embed" in path.lower() else "matrices"


def labels(params: Any) -> Any:
  """The group of each parameter, as a tree."""

  def label(path, leaf):
    return group_of(jax.tree_util.keystr(path, simple=True, separator="/"), leaf.ndim)

  return jax.tree_util.tree_map_with_path(label, params)


def scale_by_group(factors: Mapping[str, jax.typing.ArrayLike | None]) -> Optimizer:
  """Multiplies the updates of each group; after an optimizer, so its learning rate by group."""
  scales: dict[Hashable, Optimizer] = {
    g: optax.identity() if f is None else optax.scale(f) for g, f in factors.items()
  }
  return optax.partition(scales, labels)


def muon_dimensions(params: Any) -> Any:
  """Which parameters Muon is for, as `optax.contrib.muon` asks: the group of matrices."""
  return jax.tree.map(
    lambda p, group: contrib.MuonDimensionNumbers() if (group, p.ndim) == ("matrices", 2) else None,
    params,
    labels(params),
  )
