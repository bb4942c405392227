"""The benchmark's methods: what is fixed of each, the space that was searched, and what was found.

Every method has the same budget: 12 trials, 6 drawn from its space and 6 near the best of these,
each of 800 steps on × and on −, with seeds that no table scores:

    python -m experiments.studies.search adamw --trials 6 --rounds 2 --steps 800 \\
      --out experiments/results/benchmark_tuning/adamw

`tuned` is the trial with the best score; a test compares it with the committed trials.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from experiments.fields import fields_of
from experiments.methods import METHODS
from experiments.studies.spaces import Space

TRIALS, ROUNDS, STEPS = 6, 2, 800
RATE = (3e-4, 1e-2, True)
COUPLED, DECOUPLED = (1e-4, 3e-2, True), (0.1, 10.0, True)
EMA: Space = {"alpha": (0.9, 0.99, False), "lamb": (0.3, 10.0, True)}


@dataclasses.dataclass(frozen=True)
class Contender:
  """A method.

  Attributes:
    fixed: settings that are no numbers, or not searched.
    space: of the numbers that are.
    tuned: what was found; None until then, and nothing where the settings are the method's own.
    seeds: of each operation when it is scored.
  """

  fixed: Mapping[str, Any]
  space: Space
  tuned: Mapping[str, float] | None = None
  seeds: int = 5

  @property
  def open(self) -> bool:
    """Whether it is of the open track, with a model of its own."""
    return "model" in self.fixed

  @property
  def given(self) -> dict[str, Any]:
    """The settings that are scored."""
    return {**self.fixed, **(self.tuned or {})}


def _with(method: str, optimizer: str, **fixed: Any) -> dict[str, Any]:
  return {"method": method, "optimizer": optimizer, **fixed}


RECIPE = "recipe"  # its settings are its defaults, which took more trials than the others have


def _around_its_own() -> Space:
  """The recipe's rates and decays by a factor of three up or down."""
  own = fields_of(METHODS[RECIPE].hyperparameters)
  middle = {
    name: field.default for name, field in own.items() if name.startswith(("rate", "decay"))
  }
  return {name: (v / 3, 3 * v, True) for name, v in middle.items() if not name.endswith("_end")}


ADAMW = {"learning_rate": RATE, "weight_decay": DECOUPLED}
ADAM = {"learning_rate": RATE, "weight_decay": COUPLED}
MUON = {
  "learning_rate": (0.005, 0.2, True), "weight_decay": (0.03, 3.0, True),
  "momentum": (0.4, 0.97, False),
}  # fmt: skip
WIDE = {"model": "quadratic", "width": 512, "embedding_by": "muon", "head_by": "muon"}

CONTENDERS: Mapping[str, Contender] = {
  "adam": Contender(_with("baseline", "adam"), ADAM),
  "adamw": Contender(
    _with("baseline", "adamw"), ADAMW, {"learning_rate": 0.005243, "weight_decay": 1.014}
  ),
  "adamw_b1": Contender(
    _with("baseline", "adamw"), {**ADAMW, "b1": (0.5, 0.99, False)}
  ),
  "adamw_embedding": Contender(
    _with("baseline", "adamw"),
    {**ADAMW, "lr_embedding": (0.1, 30.0, True)},
  ),
  "nadam": Contender(_with("baseline", "nadam"), ADAM),
  "nesterov": Contender(
    _with("baseline", "sgd"),
    {"learning_rate": (0.005, 0.5, True), "weight_decay": (1e-5, 1e-2, True),
     "momentum": (0.9, 0.99, False)},
  ),
  "ademamix": Contender(
    _with("baseline", "ademamix", b3=0.99),
    {**ADAMW, "ademamix_alpha": (0.5, 10.0, True)},
  ),
  "muon": Contender(
    _with("baseline", "muon"),
    MUON,
    {"learning_rate": 0.05241, "weight_decay": 0.1072, "momentum": 0.4234},
  ),
  "ema_adam": Contender(
    _with("grokfast_ema", "adam"),
    {**ADAM, **EMA},
    {"learning_rate": 0.0028, "weight_decay": 0.0004659, "alpha": 0.9037, "lamb": 0.3179},
  ),
  "ema_adamw": Contender(_with("grokfast_ema", "adamw"), {**ADAMW, **EMA}),
  "ema_muon": Contender(_with("grokfast_ema", "muon"), {**MUON, **EMA}),
  "ma_adam": Contender(
    _with("grokfast_ma", "adam"), {**ADAM, "lamb": EMA["lamb"]}
  ),
  "ma_adamw": Contender(
    _with("grokfast_ma", "adamw"),
    {**ADAMW, "lamb": EMA["lamb"]},
    {"learning_rate": 0.002517, "weight_decay": 2.877, "lamb": 2.018},
  ),
  "two_stage": Contender(
    _with("grokfast_ma_two_stage", "adamw"),
    {**ADAMW, "lamb": EMA["lamb"], "start_step": (50.0, 500.0, True)},
  ),
  "reset": Contender(
    _with("grokfast_ema_reset", "adamw"),
    {**ADAMW, **EMA},
  ),
  "compression": Contender(
    _with("delayed_compression", "adam"),
    {"learning_rate": RATE, "coefficient": (1e-4, 0.1, True), "threshold": (0.5, 1.0, False)},
    {"learning_rate": 0.002517, "coefficient": 0.01543, "threshold": 0.7718},
  ),
  "orthogonal": Contender(_with("orthogonal_gradient", "adamw"), ADAMW),
  "stablemax": Contender(_with("stablemax", "adamw"), ADAMW),
  "egalitarian": Contender(_with("egalitarian_gradient", "sgd"), {
    "learning_rate": (0.005, 0.5, True), "weight_decay": (1e-5, 1e-2, True),
    "momentum": (0.0, 0.95, False),
  }),
  "projected": Contender(
    _with("project_params_norm", "adamw"),
    {"learning_rate": RATE, "norm_ratio": (0.1, 1.0, True)},
  ),
  "capped": Contender(
    _with("cap_params_norm", "adamw"),
    {**ADAMW, "norm_cap": (0.1, 2.0, True)},
  ),
  "quadratic_muon": Contender(
    _with("baseline", "muon_grouped", **WIDE),
    {"learning_rate": (0.1, 1.0, True), "weight_decay": (0.1, 1.0, True),
     "momentum": (0.4, 0.97, False)},
    {"learning_rate": 0.4335, "weight_decay": 0.1861, "momentum": 0.4234},
    seeds=10,
  ),
  RECIPE: Contender({"method": RECIPE}, _around_its_own(), {}, seeds=10),
}  # fmt: skip
