"""Spaces of settings to search, and how a trial is drawn from one."""

from collections.abc import Mapping
from typing import Any

import numpy as np

# Low, high, and whether the logarithm is uniform.
Space = Mapping[str, tuple[float, float, bool]]
MUON: Space = {
  "learning_rate": (0.01, 0.2, True),
  "weight_decay": (0.05, 3.0, True),
  "momentum": (0.5, 0.97, False),
  "lr_embedding": (0.05, 3.0, True),
  "lr_head": (0.003, 1.0, True),
  "lr_rest": (0.003, 1.0, True),
  "decay_embedding": (0.05, 5.0, True),
  "decay_head": (0.01, 5.0, True),
  "b1": (0.5, 0.95, False),
  "b2": (0.8, 0.99, False),
  "lr_warmup": (1.0, 15.0, False),
  "lr_end": (0.0, 0.3, False),
}
FILTER: Space = {"alpha": (0.5, 0.98, False), "lamb": (0.05, 5.0, True)}
GROUPED = {"optimizer": "muon_grouped", "schedule": "linear"}
SPACES: dict[str, tuple[dict[str, Any], Space]] = {
  "recipe": ({"method": "baseline", **GROUPED}, MUON),
  "muon_embedding": ({"method": "baseline", "embedding_by": "muon", **GROUPED}, MUON),
  "filter": ({"method": "grokfast_ema", **GROUPED}, {**MUON, **FILTER}),
  "stablemax": ({"method": "stablemax", **GROUPED}, MUON),
}


def _short(value: float) -> float:
  """Four digits: what is written down is what was trained with."""
  return float(f"{value:.4g}")


def drawn(space: Space, rng: np.random.Generator) -> dict[str, float]:
  """A random trial."""
  found = {}
  for name, (low, high, log) in space.items():
    a, b = (np.log(low), np.log(high)) if log else (low, high)
    value = rng.uniform(a, b)
    found[name] = _short(np.exp(value) if log else value)
  return found


def changed(
  trial: Mapping[str, float],
  other: Mapping[str, float],
  space: Space,
  width: float,
  rng: np.random.Generator,
) -> dict[str, float]:
  """A trial between two good ones and beside them, in what part of the space `width` says.

  It differs from the first of them in one number at least.
  """
  found = dict(trial)
  while found == trial:
    for name, (low, high, log) in space.items():
      a, b, x, y = (np.log(v) if log else v for v in (low, high, trial[name], other[name]))
      value = x + rng.uniform(0, 1) * (y - x) * (rng.random() < 0.5)
      value = np.clip(value + width * (b - a) * rng.normal() * (rng.random() < 0.5), a, b)
      found[name] = _short(np.exp(value) if log else value)
  return found
