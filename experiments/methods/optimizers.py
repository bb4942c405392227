"""Optimizers by name: each a dataclass of its own numbers and a line that makes it."""

import dataclasses
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from optax import contrib

import grokfax
from experiments.fields import FRACTION, NOT_NEGATIVE, POSITIVE, between, one_of, setting
from experiments.methods import groups
from experiments.methods.method import Optimizer


@dataclasses.dataclass(frozen=True)
class Common:
  """What every optimizer has: learning rate, its schedule and its groups, and weight decay."""

  learning_rate: float = setting(1e-3, "number", "after the warm-up", POSITIVE)
  weight_decay: float = setting(
    0.0, "number", "coupled (adam, nadam, sgd) or decoupled (all others)", NOT_NEGATIVE
  )
  lr_warmup: float = setting(
    0.0, "number", "updates over which the learning rate rises from 0", NOT_NEGATIVE
  )
  schedule: str = setting(
    "constant",
    "shape",
    "of the learning rate after the warm-up, to the end of the budget",
    one_of("constant", "linear", "cosine"),
  )
  lr_end: float = setting(
    0.0,
    "number",
    "share of the learning rate at the end of the budget",
    NOT_NEGATIVE,
    only=("schedule", "linear", "cosine"),
  )
  lr_embedding: float | None = setting(
    None, "number", "factor of the embeddings' learning rate", NOT_NEGATIVE
  )
  lr_head: float | None = setting(
    None, "number", "factor of the last layer's learning rate", NOT_NEGATIVE
  )
  lr_matrices: float | None = setting(
    None, "number", "factor of the other matrices' learning rate", NOT_NEGATIVE
  )
  lr_rest: float | None = setting(
    None, "number", "factor of all other parameters' learning rate", NOT_NEGATIVE
  )


@dataclasses.dataclass(frozen=True)
class Adam(Common):
  """Adam's two moments."""

  b1: float = setting(0.9, "number", "decay of the first moment", FRACTION)
  b2: float = setting(0.999, "number", "decay of the second moment", FRACTION)


@dataclasses.dataclass(frozen=True)
class Sgd(Common):
  """Gradient descent with Nesterov's momentum."""

  momentum: float = setting(0.9, "number", "decay of the momentum", FRACTION)


@dataclasses.dataclass(frozen=True)
class Muon(Adam):
  """Muon for the matrices but embeddings and last layer, AdamW (with Nesterov) for all else."""

  momentum: float = setting(0.95, "number", "decay of the momentum", FRACTION)
  ns_steps: int = setting(5, "shape", "Muon's Newton-Schulz iterations", between(1, 100))


@dataclasses.dataclass(frozen=True)
class Grouped(Muon):
  """Muon for the matrices, AdamW for all else, with a weight decay for each group."""

  decay_embedding: float | None = setting(
    None, "number", "of the embeddings, decoupled; None for the weight decay", NOT_NEGATIVE
  )
  decay_head: float | None = setting(
    None, "number", "of the last layer, decoupled; None for the weight decay", NOT_NEGATIVE
  )
  embedding_by: str = setting(
    "adamw", "shape", "what updates the embeddings", one_of("adamw", "muon")
  )
  head_by: str = setting("adamw", "shape", "what updates the last layer", one_of("adamw", "muon"))


@dataclasses.dataclass(frozen=True)
class AdEMAMix(Adam):
  """Adam with a second, slow first moment."""

  b3: float = setting(0.9999, "number", "decay of the slow first moment", FRACTION)
  ademamix_alpha: float = setting(5.0, "number", "weight of the slow first moment", NOT_NEGATIVE)


Rate = Callable[[jax.typing.ArrayLike], Any]


def _coupled(h: Any, optimizer: Optimizer) -> Optimizer:
  return optax.chain(optax.add_decayed_weights(h.weight_decay), optimizer)


def _muon(h: Any, rate: Rate) -> Optimizer:
  return contrib.muon(
    rate,
    beta=h.momentum,
    ns_steps=h.ns_steps,
    weight_decay=h.weight_decay,
    adam_b1=h.b1,
    adam_b2=h.b2,
    adam_weight_decay=h.weight_decay,
    muon_weight_dimension_numbers=groups.muon_dimensions,
  )


def _grouped(h: Any, rate: Rate) -> Optimizer:
  def adamw(decay=0.0):
    return optax.adamw(rate, h.b1, h.b2, weight_decay=decay)

  def muon(decay):
    return contrib.muon(rate, beta=h.momentum, ns_steps=h.ns_steps, weight_decay=decay)

  def group(by, decay):
    return {"adamw": adamw, "muon": muon}[by](h.weight_decay if decay is None else decay)

  by_group: dict[Hashable, Optimizer] = {
    "embedding": group(h.embedding_by, h.decay_embedding),
    "head": group(h.head_by, h.decay_head),
    "matrices": muon(h.weight_decay),
    "rest": adamw(),
  }
  return optax.partition(by_group, groups.labels)


class Named(NamedTuple):
  """An optimizer: its hyperparameters, and (them, learning rate schedule) -> the optimizer."""

  hyperparameters: type[Common]
  make: Callable[[Any, Rate], Optimizer]


OPTIMIZERS = {
  "adam": Named(
    Adam, lambda h, rate: grokfax.adam_l2(rate, h.b1, h.b2, weight_decay=h.weight_decay)
  ),
  "adamw": Named(Adam, lambda h, rate: optax.adamw(rate, h.b1, h.b2, weight_decay=h.weight_decay)),
  "nadam": Named(Adam, lambda h, rate: _coupled(h, optax.nadam(rate, h.b1, h.b2))),
  "sgd": Named(Sgd, lambda h, rate: _coupled(h, optax.sgd(rate, h.momentum, nesterov=True))),
  "muon": Named(Muon, _muon),
  "muon_grouped": Named(Grouped, _grouped),
  "ademamix": Named(
    AdEMAMix,
    lambda h, rate: contrib.ademamix(
      rate, h.b1, h.b2, h.b3, h.ademamix_alpha, weight_decay=h.weight_decay
    ),
  ),
}


def rate_of(h: Common, steps: jax.typing.ArrayLike) -> Rate:
  """The learning rate at each step: the warm-up, whose first update has 0, then the schedule.

  Args:
    h: the optimizer's hyperparameters.
    steps: the budget, at whose last step a schedule ends.
  """

  def after_warmup(step):
    if h.schedule == "constant":
      return 1.0
    done = jnp.clip((step - h.lr_warmup) / jnp.maximum(steps - 1 - h.lr_warmup, 1), 0, 1)
    left = 1 - done if h.schedule == "linear" else (1 + jnp.cos(jnp.pi * done)) / 2
    return h.lr_end + (1 - h.lr_end) * left

  def rate(step):
    warmup = h.lr_warmup
    return h.learning_rate * jnp.where(step < warmup, step / warmup, after_warmup(step))

  return rate


def make(name: str, h: Common, steps: jax.typing.ArrayLike) -> Optimizer:
  """The optimizer of a name with its schedule and its learning rates by group."""
  optimizer = OPTIMIZERS[name].make(h, rate_of(h, steps))
  factors = {group: getattr(h, f"lr_{group}") for group in groups.GROUPS}
  if all(factor is None for factor in factors.values()):
    return optimizer
  return optax.chain(optimizer, groups.scale_by_group(factors))
