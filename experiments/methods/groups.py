"""Learning rates by group: embedding, head, matrices, and the rest."""

from collections.abc import Hashable, Mapping
from typing import Any

import jax
import optax
from optax import contrib

import grokfax
from experiments.methods.method import Optimizer

GROUPS = ("embedding", "head", "matrices", "rest")
_PART_OF = {"positions": "embedding", "attention": "matrices"}


def labels(params: Any) -> Any:
  """The group of each parameter, as a tree: the library's, some of them together."""
  return jax.tree.map(lambda group: _PART_OF.get(group, group), grokfax.parameter_groups(params))


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
