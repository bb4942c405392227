"""The benchmark's methods: what is fixed of each, the space that was searched, and what was found.

Every method but `OURS` has the same budget: 10 trials of 1,200 steps on × and on −, with seeds that
no table scores, and the two best again with another seed; then what is known at a constant rate:

    python -m experiments.studies.search adamw
    python -m experiments.studies.search adamw --constant

Its first trial is the setting of its source, or the best that was known here. `tuned` is what came
out; a test compares it with the committed trials.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from experiments.studies.spaces import Space

TRIALS, ROUNDS, AGAIN, STEPS = 5, 2, 2, 1_200
RATE = (3e-4, 1e-2, True)
COUPLED, DECOUPLED, SMALL = (1e-4, 3e-2, True), (0.1, 10.0, True), (0.003, 3.0, True)
EMA: Space = {"alpha": (0.8, 0.99, False), "lamb": (0.1, 10.0, True)}


@dataclasses.dataclass(frozen=True)
class Contender:
  """A method.

  Attributes:
    fixed: settings that are no numbers, or not searched.
    space: of the numbers that are.
    first: the first trial.
    tuned: what was found; None until then, and nothing where the settings are the method's own.
    seeds: of each operation when it is scored.
    earlier: what an earlier search found, at constant rates: new methods have none.
  """

  fixed: Mapping[str, Any]
  space: Space
  first: Mapping[str, float] = dataclasses.field(default_factory=dict)
  tuned: Mapping[str, float] | None = None
  seeds: int = 5
  earlier: Mapping[str, float] = dataclasses.field(default_factory=dict)

  @property
  def open(self) -> bool:
    """Whether it is of the open track, with a model of its own."""
    return "model" in self.fixed

  @property
  def given(self) -> dict[str, Any]:
    """The settings that are scored."""
    return {**self.fixed, **(self.tuned or {})}


# Of all but ours: the recipe has a schedule of its own, and the open one's rate stays.
FALLING = {"schedule": "linear", "lr_end": 0.1}


def _with(method: str, optimizer: str, **fixed: Any) -> dict[str, Any]:
  return {"method": method, "optimizer": optimizer, **FALLING, **fixed}


# Ours, whose settings took another search: the first one's are the method's defaults.
OURS = RECIPE, OPEN_RECIPE = "recipe", "quadratic_recipe"


def _without_momentum(numbers: Mapping[str, Any]) -> dict[str, Any]:
  """A search has five numbers at most: the EMA filter brings two, and is itself a momentum."""
  return {name: value for name, value in numbers.items() if name != "momentum"}


ADAMW = {"learning_rate": RATE, "weight_decay": DECOUPLED}
ADAM = {"learning_rate": RATE, "weight_decay": COUPLED}
UNDECAYED = {"learning_rate": RATE, "weight_decay": SMALL}
MUON = {
  "learning_rate": (0.005, 0.2, True), "weight_decay": SMALL, "momentum": (0.4, 0.97, False),
}  # fmt: skip
TWO_RATES: Space = {**MUON, "learning_rate": RATE, "lr_matrices": (1.0, 100.0, True)}
LAMB = {"lamb": EMA["lamb"]}
GATED: Space = {**ADAMW, **LAMB, "gate_at": (0.5, 1.0, False)}
GATED_FIRST = {"learning_rate": 1e-3, "weight_decay": 1.0, "lamb": 5.0, "gate_at": 0.99}
WIDE = {"model": "quadratic", "width": 512, "embedding_by": "muon", "head_by": "muon"}

# The EMA filter before AdamW as a public comparison on ÷ tuned it.
PUBLIC = {"learning_rate": 1.32e-3, "weight_decay": 2.96, "alpha": 0.917, "lamb": 0.92}
# Its author's rate and momentum; there, what is no hidden matrix has a rate of its own.
MUON_FIRST = {"learning_rate": 0.02, "weight_decay": 0.1, "momentum": 0.95}
# Found for Muon with two rates. What is added to it starts there, to be judged by what it adds.
TWO_RATES_FOUND = {
  "learning_rate": 0.004863, "weight_decay": 0.2381, "momentum": 0.6532, "lr_matrices": 9.692,
}  # fmt: skip

CONTENDERS: Mapping[str, Contender] = {
  "adam": Contender(
    _with("baseline", "adam"),
    ADAM,
    {"learning_rate": 1e-3, "weight_decay": 0.005},
    {"learning_rate": 0.003149, "weight_decay": 0.001515, "lr_end": 1.0},
  ),
  "adamw": Contender(
    _with("baseline", "adamw"),
    ADAMW,
    {"learning_rate": 3e-3, "weight_decay": 1.0},
    {"learning_rate": 0.003, "weight_decay": 1.0},
    earlier={"learning_rate": 0.005243, "weight_decay": 1.014},
  ),
  "adamw_b1": Contender(
    _with("baseline", "adamw"),
    {**ADAMW, "b1": (0.5, 0.99, False)},
    {"learning_rate": 3e-3, "weight_decay": 1.0, "b1": 0.9},
    {"learning_rate": 0.005057, "weight_decay": 0.973, "b1": 0.9},
  ),
  "adamw_embedding": Contender(
    _with("baseline", "adamw"),
    {**ADAMW, "lr_embedding": (0.1, 30.0, True)},
    {"learning_rate": 1e-3, "weight_decay": 1.0, "lr_embedding": 10.0},
    {"learning_rate": 0.002937, "weight_decay": 1.228, "lr_embedding": 1.924},
  ),
  "nadam": Contender(
    _with("baseline", "nadam"),
    ADAM,
    {"learning_rate": 1e-3, "weight_decay": 0.005},
    {"learning_rate": 0.00467, "weight_decay": 0.002065, "lr_end": 1.0},
  ),
  "nesterov": Contender(
    _with("baseline", "sgd"),
    {"learning_rate": (0.005, 0.5, True), "weight_decay": (1e-5, 1e-2, True),
     "momentum": (0.9, 0.99, False)},
    {"learning_rate": 0.06, "weight_decay": 1e-5, "momentum": 0.98},
    {"learning_rate": 0.2221, "weight_decay": 0.0003859, "momentum": 0.9103},
  ),
  "ademamix": Contender(
    _with("baseline", "ademamix", b3=0.99),
    {**ADAMW, "ademamix_alpha": (0.5, 10.0, True)},
    {"learning_rate": 3e-3, "weight_decay": 1.0, "ademamix_alpha": 2.0},
    {"learning_rate": 0.003, "weight_decay": 1.0, "ademamix_alpha": 2.0, "lr_end": 1.0},
  ),
  "muon": Contender(
    _with("baseline", "muon"),
    MUON,
    MUON_FIRST,
    {"learning_rate": 0.02356, "weight_decay": 0.2102, "momentum": 0.4288},
    earlier={"learning_rate": 0.05241, "weight_decay": 0.1072, "momentum": 0.4234},
  ),
  "muon_two_rates": Contender(
    _with("baseline", "muon"),
    TWO_RATES,
    {**MUON_FIRST, "learning_rate": 3e-4, "lr_matrices": 66.67},
    TWO_RATES_FOUND,
  ),
  "ema_adam": Contender(
    _with("grokfast_ema", "adam"),
    {**ADAM, **EMA},
    {"learning_rate": 1e-3, "weight_decay": 0.005, "alpha": 0.98, "lamb": 2.0},
    {"learning_rate": 0.0028, "weight_decay": 0.0004659, "alpha": 0.9037, "lamb": 0.3179,
     "lr_end": 1.0},
    earlier={"learning_rate": 0.0028, "weight_decay": 0.0004659, "alpha": 0.9037, "lamb": 0.3179},
  ),
  "ema_adamw": Contender(
    _with("grokfast_ema", "adamw"),
    {**ADAMW, **EMA},
    PUBLIC,
    {"learning_rate": 0.00132, "weight_decay": 2.96, "alpha": 0.8945, "lamb": 0.92, "lr_end": 1.0},
  ),
  "ema_muon": Contender(
    _with("grokfast_ema", "muon", momentum=TWO_RATES_FOUND["momentum"]),
    {**_without_momentum(TWO_RATES), **EMA},
    {**_without_momentum(TWO_RATES_FOUND), "alpha": PUBLIC["alpha"], "lamb": PUBLIC["lamb"]},
    {"learning_rate": 0.004863, "weight_decay": 0.2381, "lr_matrices": 9.692, "alpha": 0.8929,
     "lamb": 0.92},
  ),
  "ma_adam": Contender(
    _with("grokfast_ma", "adam"),
    {**ADAM, **LAMB},
    {"learning_rate": 1e-3, "weight_decay": 0.01, "lamb": 5.0},
    {"learning_rate": 0.001076, "weight_decay": 0.005339, "lamb": 0.9985, "lr_end": 1.0},
  ),
  "ma_adamw": Contender(
    _with("grokfast_ma", "adamw"),
    {**ADAMW, **LAMB},
    {"learning_rate": 1e-3, "weight_decay": 1.0, "lamb": 5.0},
    {"learning_rate": 0.002517, "weight_decay": 2.877, "lamb": 2.018, "lr_end": 1.0},
    earlier={"learning_rate": 0.002517, "weight_decay": 2.877, "lamb": 2.018},
  ),
  "ma_muon": Contender(
    _with("grokfast_ma", "muon"),
    {**TWO_RATES, **LAMB},
    {**TWO_RATES_FOUND, "lamb": 0.63},
    {"learning_rate": 0.004863, "weight_decay": 0.2381, "momentum": 0.6532, "lr_matrices": 9.692,
     "lamb": 0.63},
  ),
  "two_stage": Contender(
    _with("grokfast_ma_two_stage", "adamw"),
    {**ADAMW, **LAMB, "start_step": (50.0, 700.0, True)},
    {"learning_rate": 1e-3, "weight_decay": 1.0, "lamb": 5.0, "start_step": 500.0},
    {"learning_rate": 0.002538, "weight_decay": 1.968, "lamb": 0.7917, "start_step": 217.2},
  ),
  "gate_opens": Contender(
    _with("grokfast_ma_gated", "adamw", gate="opens"),
    GATED,
    GATED_FIRST,
    {"learning_rate": 0.001, "weight_decay": 1.0, "lamb": 5.0, "gate_at": 0.99, "lr_end": 1.0},
  ),
  "gate_closes": Contender(
    _with("grokfast_ma_gated", "adamw", gate="closes"),
    GATED,
    GATED_FIRST,
    {"learning_rate": 0.0005384, "weight_decay": 5.256, "lamb": 2.537, "gate_at": 0.9053,
     "lr_end": 1.0},
  ),
  "reset": Contender(
    _with("grokfast_ema_reset", "adamw"),
    {**ADAMW, **EMA},
    PUBLIC,
    {"learning_rate": 0.004162, "weight_decay": 1.683, "alpha": 0.8786, "lamb": 0.1911},
  ),
  "compression": Contender(
    _with("delayed_compression", "adam"),
    {"learning_rate": RATE, "coefficient": (1e-4, 0.1, True), "threshold": (0.5, 1.0, False)},
    {"learning_rate": 1e-3, "coefficient": 0.01, "threshold": 0.99},
    {"learning_rate": 0.002897, "coefficient": 0.01482, "threshold": 0.5547},
    earlier={"learning_rate": 0.002517, "coefficient": 0.01543, "threshold": 0.7718},
  ),
  "orthogonal": Contender(
    _with("orthogonal_gradient", "adamw"),
    UNDECAYED,
    {"learning_rate": 1e-3, "weight_decay": 0.003},
    {"learning_rate": 0.004754, "weight_decay": 0.2883, "lr_end": 1.0},
  ),
  "stablemax": Contender(
    _with("stablemax", "adamw"),
    UNDECAYED,
    {"learning_rate": 1e-3, "weight_decay": 0.003},
    {"learning_rate": 0.001152, "weight_decay": 0.4133, "lr_end": 1.0},
  ),
  "egalitarian": Contender(
    _with("egalitarian_gradient", "sgd"),
    {"learning_rate": (0.005, 0.5, True), "weight_decay": (1e-5, 1e-2, True),
     "momentum": (0.0, 0.95, False)},
    {"learning_rate": 0.02, "weight_decay": 1e-5, "momentum": 0.0},
    {"learning_rate": 0.007486, "weight_decay": 0.01, "momentum": 0.4914, "lr_end": 1.0},
  ),
  "projected": Contender(
    _with("project_params_norm", "adamw", weight_decay=0.0),
    {"learning_rate": RATE, "norm_ratio": (0.1, 1.0, True)},
    {"learning_rate": 1e-3, "norm_ratio": 0.3},
    {"learning_rate": 0.003335, "norm_ratio": 0.668},
  ),
  "capped": Contender(
    _with("cap_params_norm", "muon"),
    {**TWO_RATES, "norm_cap": (0.3, 2.0, True)},
    {**TWO_RATES_FOUND, "weight_decay": 0.003, "norm_cap": 1.0},
    {"learning_rate": 0.004863, "weight_decay": 0.003, "momentum": 0.6532, "lr_matrices": 9.692,
     "norm_cap": 1.0},
  ),
  "quadratic_muon": Contender(
    _with("baseline", "muon_grouped", **WIDE),
    {"learning_rate": (0.03, 3.0, True), "weight_decay": (0.03, 3.0, True),
     "momentum": (0.4, 0.97, False)},
    {"learning_rate": 0.3, "weight_decay": 0.3, "momentum": 0.95},
    {"learning_rate": 0.3, "weight_decay": 0.3, "momentum": 0.9045, "lr_end": 1.0},
    seeds=10,
  ),
  RECIPE: Contender({"method": RECIPE}, {}, tuned={}, seeds=10),
  OPEN_RECIPE: Contender(
    {"method": "baseline", "optimizer": "muon_grouped", **WIDE, "learning_rate": 0.4335,
     "weight_decay": 0.1861, "momentum": 0.4234},
    {},
    tuned={},
    seeds=10,
  ),
}  # fmt: skip
