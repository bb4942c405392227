"""Geometry: gradients turned, made equal or clipped, and parameters of a held norm."""

import dataclasses
from typing import Any

import optax

import grokfax
from experiments.fields import FRACTION, POSITIVE, between, one_of, setting
from experiments.methods.method import Method, Optimizer


@dataclasses.dataclass(frozen=True)
class Egalitarian:
  """How each matrix's gradient is made equal in all directions."""

  equal_by: str = setting(
    "svd", "shape", "the way to equal directions", one_of("svd", "newton_schulz", "columns")
  )
  equal_ns_steps: int = setting(
    5,
    "shape",
    "steps of Newton and Schulz's iteration",
    between(1, 100),
    only=("equal_by", "newton_schulz"),
  )


@dataclasses.dataclass(frozen=True)
class Clip:
  """The norm that no gradient exceeds."""

  clip_ratio: float = setting(1.0, "number", "of a gradient's norm to the mean, at most", POSITIVE)
  clip_decay: float = setting(0.9, "number", "of the mean norm", FRACTION)


@dataclasses.dataclass(frozen=True)
class Projection:
  """The norm that is held."""

  norm_ratio: float = setting(1.0, "number", "of the parameters' norm to its first", POSITIVE)
  norm_scope: str = setting(
    "leaf", "shape", "the norm of each array, or of all together", one_of("leaf", "global")
  )


@dataclasses.dataclass(frozen=True)
class Cap:
  """The norm that no matrix exceeds."""

  norm_cap: float = setting(1.0, "number", "of a matrix's norm to its first, at most", POSITIVE)


def egalitarian(h: Any, optimizer: Optimizer) -> Optimizer:
  """Equal directions, then the optimizer."""
  return optax.chain(grokfax.egalitarian_gradient(h.equal_by, ns_steps=h.equal_ns_steps), optimizer)


def clipped(h: Any, optimizer: Optimizer) -> Optimizer:
  """Gradients that are longer than those before scaled down, then the optimizer."""
  return optax.chain(grokfax.clip_by_mean_norm(h.clip_ratio, h.clip_decay), optimizer)


def projected(h: Any, optimizer: Optimizer) -> Optimizer:
  """The optimizer, then the parameters brought to their norm."""
  return optax.chain(optimizer, grokfax.project_params_norm(h.norm_ratio, scope=h.norm_scope))


def capped(h: Any, optimizer: Optimizer) -> Optimizer:
  """The optimizer, then matrices that grew too large scaled down."""
  cap = optax.masked(grokfax.cap_params_norm(h.norm_cap), grokfax.ndim_at_least(2))
  return optax.chain(optimizer, cap)


ORTHOGONAL_GRADIENT = Method(
  "orthogonal_gradient",
  build=lambda h, optimizer: optax.chain(grokfax.orthogonal_gradient(), optimizer),
)
EGALITARIAN_GRADIENT = Method("egalitarian_gradient", Egalitarian, egalitarian)
CLIP_BY_MEAN_NORM = Method("clip_by_mean_norm", Clip, clipped)
PROJECT_PARAMS_NORM = Method("project_params_norm", Projection, projected)
CAP_PARAMS_NORM = Method("cap_params_norm", Cap, capped)
