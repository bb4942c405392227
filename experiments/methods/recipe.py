"""The recipe: the library's Muon by groups of parameters, instead of an optimizer."""

import dataclasses
import inspect
from typing import Any

import grokfax
from experiments.fields import FRACTION, NOT_NEGATIVE, Range, setting
from experiments.methods.method import Method
from grokfax.groups import GROUPS
from grokfax.muon import DECAYS, RATES

_DEFAULTS = {n: p.default for n, p in inspect.signature(grokfax.grouped_muon).parameters.items()}


def _argument(name: str, help: str, allowed: Range = NOT_NEGATIVE) -> Any:
  """An argument of the library's function, with the default that it has there."""
  return setting(float(_DEFAULTS[name]), "number", help, allowed)


def _rate(group: str) -> Any:
  return setting(RATES[group], "number", f"learning rate of the {group}", NOT_NEGATIVE)


def _decay(group: str) -> Any:
  return setting(DECAYS[group], "number", f"weight decay of the {group}, decoupled", NOT_NEGATIVE)


@dataclasses.dataclass(frozen=True)
class Recipe:
  """The arguments of `grokfax.grouped_muon`."""

  rate_matrices: float = _rate("matrices")
  rate_attention: float = _rate("attention")
  rate_embedding: float = _rate("embedding")
  rate_positions: float = _rate("positions")
  rate_head: float = _rate("head")
  rate_rest: float = _rate("rest")
  decay_matrices: float = _decay("matrices")
  decay_attention: float = _decay("attention")
  decay_embedding: float = _decay("embedding")
  decay_positions: float = _decay("positions")
  decay_head: float = _decay("head")
  momentum: float = _argument("momentum", "Muon's decay of the momentum", FRACTION)
  b1: float = _argument("b1", "AdamW's decay of the first moment", FRACTION)
  b2: float = _argument("b2", "AdamW's decay of the second moment", FRACTION)
  warmup_steps: float = _argument("warmup_steps", "over which the rates rise")
  rate_steps: float = _argument("rate_steps", "until which the rates fall")
  rate_end: float = _argument("rate_end", "the share with which they end")
  decay_steps: float = _argument("decay_steps", "until which the decays fall")
  decay_end: float = _argument("decay_end", "the share with which they end")


def _build(h: Any, _: Any) -> Any:
  given = dataclasses.asdict(h)
  by_group = {
    f"{kind}s": {g: given.pop(f"{kind}_{g}") for g in GROUPS if f"{kind}_{g}" in given}
    for kind in ("rate", "decay")
  }
  return grokfax.grouped_muon(**by_group, **given)


RECIPE = Method("recipe", Recipe, _build, replaces_optimizer=True)
