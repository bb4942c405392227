"""Elsewhere: what was tuned on × and − of 97, as it is, on other data.

The default size has the recipe and AdamW; the full size every method of the reference track.
"""

from collections.abc import Mapping
from typing import Any

from experiments.runs.settings import misfit
from experiments.studies.contenders import CONTENDERS, RECIPE
from experiments.studies.study import Part, Study

HELD = {"stop_when_held": 500}
SHORT = {"steps": 1_200, **HELD}
# The task, and its settings.
PLACES: Mapping[str, tuple[str, Mapping[str, Any]]] = {
  "fraction": ("modular", {"operation": "mul", "train_fraction": 0.3, **SHORT}),
  "p113": ("modular", {"operation": ["mul", "sub"], "p": 113, **SHORT}),
  "polynomials": (
    "modular",
    {
      "operation": [
        "div-or-sub", "x2+y2", "x2+xy+y2", "x2+xy+y2+x", "x3+xy", "x3+xy2+y",
      ],
      **SHORT,
    },
  ),
  "s5": ("s5", {"operation": "xy", **SHORT}),
  "parity": ("parity", {"samples": 1_000, "steps": 8_000, "eval_every": 1}),
  "adder": ("adder", {"steps": 10_000}),
  "mnist": ("mnist", {"steps": 2_000, "eval_every": 2}),
}  # fmt: skip
FULL: Mapping[str, Mapping[str, Any]] = {
  "p113": {"operation": ["add", "sub", "mul", "div"]},
  "s5": {"operation": ["xy", "xyx-1", "xyx"]},
}
STAYS = {"method": RECIPE, "rate_end": 1.0, "decay_end": 1.0}
DEFAULT = (RECIPE, "adamw")


def _part(place: str, given: Mapping[str, Any], *, full_only: bool = False) -> Part:
  task, own = PLACES[place]
  full = {"seeds": 10, "stop_when_held": None, **FULL.get(place, {})}
  return Part({**given, **own}, 3, task, full, full_only)


def _parts() -> dict[str, Part]:
  """Of each place the methods, and on another task than the tuned one the recipe that stays."""
  found = {}
  for place, (task, _) in PLACES.items():
    for name, each in CONTENDERS.items():
      if each.tuned is not None and not each.open and misfit(task, each.fixed["method"]) is None:
        found[f"{place}_{name}"] = _part(place, each.given, full_only=name not in DEFAULT)
    if task != "modular":
      found[f"{place}_recipe_stays"] = _part(place, STAYS)
  return found


TRANSFER = Study("transfer", "Does what was tuned carry to other data, as it is?", _parts())
