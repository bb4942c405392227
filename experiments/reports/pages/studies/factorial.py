"""What the page of studies says of the factorial: each factor, and where the filter helps."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from experiments.reports import paired, tables
from experiments.reports.pages.markers import block
from experiments.reports.pages.studies.grids import grouped, ranked, runs_of
from experiments.reports.pages.studies.ranked import FIRST, HELD, rank
from experiments.reports.read import Run

PARTS = "none", "coupled", "decoupled"
# Of each factor its levels in words; the first is the reference's, or none.
FACTORS: Mapping[str, Mapping[Any, str]] = {
  "method": {"baseline": "no filter", "grokfast_ema": "EMA filter (0.98, 2)"},
  "decay": {
    ("adam", 0.0): "no weight decay",
    ("adam", 0.005): "weight decay 0.005, coupled",
    ("adamw", 1.0): "weight decay 1, decoupled",
  },
  "learning_rate": {1e-3: "learning rate 0.001", 3e-3: "learning rate 0.003"},
  "b1": {0.9: "β₁ 0.9", 0.98: "β₁ 0.98"},
  "init_scale": {1.0: "initial scale 1", 0.5: "initial scale 0.5"},
}
FILTER = "grokfast_ema"
_, COUPLED, DECOUPLED = FACTORS["decay"]
# Where the filter is looked at alone: everywhere, at each level, and at pairs of decay and rate.
PLACES: Sequence[Mapping[str, Any]] = (
  {},
  *({name: one} for name, levels in FACTORS.items() if name != "method" for one in levels),
  *(
    {"decay": decay, "learning_rate": rate}
    for decay in (COUPLED, DECOUPLED)
    for rate in FACTORS["learning_rate"]
  ),
)


def levels(run: Run) -> dict[str, Any]:
  """Of each factor the level that a run has."""
  values = run.values
  return {**values, "decay": (values["optimizer"], values["weight_decay"])}


def having(runs: Sequence[Run], **wanted: Any) -> list[Run]:
  """The runs with these levels."""
  return [run for run in runs if wanted.items() <= levels(run).items()]


def effect(runs: Sequence[Run], factor: str, level: Any) -> str:
  """Steps to 95 % with a level of a factor to those with its first, the other factors alike.

  Each combination of the others gives one ratio, the mean over its seeds, and the interval is of
  these; so it says how far the effect depends on the others. A run without a crossing counts its
  budget. A combination where no run of either level crosses tells nothing, and is left out.
  """
  first, *_ = FACTORS[factor]
  pairs: dict[tuple[Any, ...], dict[Any, list[Run]]] = defaultdict(lambda: defaultdict(list))
  for run in sorted(runs, key=lambda run: run.seed):
    own = levels(run)
    others = tuple(own[name] for name in FACTORS if name != factor)
    pairs[others][own[factor]].append(run)
  told = [pair for pair in pairs.values() if _crossed([*pair[level], *pair[first]])]
  if not told:
    return "neither"
  ours, theirs = (
    [[run.summary[FIRST] or run.steps for run in pair[one]] for pair in told]
    for one in (level, first)
  )
  found = paired.ratio(ours, theirs)
  return f"{found}, {found.verdict}; {len(told)} of {len(pairs)}"


def _crossed(runs: Sequence[Run], figure: str = FIRST) -> int:
  return sum(run.summary[figure] is not None for run in runs)


def _counts(runs: Sequence[Run]) -> tuple[str, str]:
  """How many cross, and how many hold."""
  return (f"{_crossed(runs)} of {len(runs)}", f"{_crossed(runs, HELD)}")


def _runs() -> list[Run]:
  return [run for part in PARTS for run in runs_of("factorial", part)]


@block("factorial_effects")
def factorial_effects() -> str:
  """Each level of a factor to the first, over all combinations of the others."""
  runs = _runs()
  rows: list[tuple[str, ...]] = [("level", "cross", "hold", "steps to 95 %, to the first level's")]
  for factor, of_factor in FACTORS.items():
    first, *_ = of_factor
    for level, words in of_factor.items():
      found = "" if level == first else effect(runs, factor, level)
      rows.append((words, *_counts(having(runs, **{factor: level})), found))
  return tables.markdown(rows)


@block("factorial_filter")
def factorial_filter() -> str:
  """The same of the filter, at levels of the others."""
  header = "where", "cross without", "hold", "cross with", "hold", "steps to 95 %, with to without"
  rows: list[tuple[str, ...]] = [header]
  for place in PLACES:
    runs = having(_runs(), **place)
    counts = (_counts(having(runs, method=level)) for level in FACTORS["method"])
    words = ", ".join(FACTORS[name][level] for name, level in place.items()) or "everywhere"
    rows.append((words, *(c for pair in counts for c in pair), effect(runs, "method", FILTER)))
  return tables.markdown(rows)


@block("factorial_best")
def factorial_best() -> str:
  """The ten combinations that hold soonest, then cross soonest."""
  groups = grouped("factorial", *PARTS)
  best = sorted(groups, key=lambda name: rank(groups[name]))[:10]
  return ranked({name: groups[name] for name in best})
