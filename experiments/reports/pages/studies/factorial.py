"""What the page of studies says of the factorial: each factor, and where the filter helps."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from experiments.reports import paired, tables
from experiments.reports.pages.markers import block
from experiments.reports.pages.studies.grids import grouped, ranked, runs_of
from experiments.reports.pages.studies.ranked import FIRST, HELD, reached
from experiments.reports.read import Run
from experiments.reports.words import spelled

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
PLAIN, FILTER = FACTORS["method"]
MEMORISED = "train_99_step"
UNDECAYED, COUPLED, DECOUPLED = FACTORS["decay"]
_, *OTHERS = FACTORS
# Where the filter is looked at alone: everywhere, at each level, and at pairs of decay and rate.
PLACES: Sequence[Mapping[str, Any]] = (
  {},
  *({name: one} for name in OTHERS for one in FACTORS[name]),
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


def _alike(runs: Sequence[Run], factor: str) -> list[dict[Any, list[Run]]]:
  """Of each combination of the other factors the runs of each level of one."""
  groups: dict[tuple[Any, ...], dict[Any, list[Run]]] = defaultdict(lambda: defaultdict(list))
  for run in runs:
    own = levels(run)
    groups[tuple(own[name] for name in FACTORS if name != factor)][own[factor]].append(run)
  return [*groups.values()]


def effect(runs: Sequence[Run], factor: str, level: Any) -> str:
  """Steps to 95 % with a level of a factor to those with its first, the other factors alike.

  Each combination of the others gives one ratio, the mean over its seeds, and the interval is of
  these; so it says how far the effect depends on the others. A run without a crossing counts its
  budget. A combination where no run of either level crosses tells nothing, and is left out.
  """
  first, *_ = FACTORS[factor]
  groups = _alike(runs, factor)
  told = [group for group in groups if reached([*group[level], *group[first]])]
  if not told:
    return "neither"
  ours, theirs = ([_steps(group[one]) for group in told] for one in (level, first))
  found = paired.ratio(ours, theirs)
  return f"{found}, {found.verdict}; {len(told)} of {len(groups)}"


def _steps(runs: Sequence[Run]) -> list[float]:
  return [run.summary[FIRST] or run.steps for run in runs]


def _counts(runs: Sequence[Run]) -> str:
  """How many memorise, how many cross, and how many hold."""
  found = (str(reached(runs, figure)) for figure in (MEMORISED, FIRST, HELD))
  return f"{', '.join(found)} of {len(runs)}"


def _runs() -> list[Run]:
  return [run for part in PARTS for run in runs_of("factorial", part)]


@block("factorial_effects")
def factorial_effects() -> str:
  """Each level of a factor to the first, over all combinations of the others."""
  header = "level", "memorise, cross, hold", "steps to 95 %, to the first level's"
  rows: list[tuple[str, ...]] = [header]
  for factor, of_factor in FACTORS.items():
    first, *_ = of_factor
    for level, words in of_factor.items():
      found = "" if level == first else effect(_runs(), factor, level)
      rows.append((words, _counts(having(_runs(), **{factor: level})), found))
  return tables.markdown(rows)


@block("factorial_filter")
def factorial_filter() -> str:
  """The same of the filter, at levels of the others."""
  header = "where", "memorise, cross, hold without", "with", "steps to 95 %, with to without"
  rows: list[tuple[str, ...]] = [header]
  for place in PLACES:
    runs = having(_runs(), **place)
    counts = (_counts(having(runs, method=level)) for level in (PLAIN, FILTER))
    words = ", ".join(FACTORS[name][level] for name, level in place.items()) or "everywhere"
    rows.append((words, *counts, effect(runs, "method", FILTER)))
  return tables.markdown(rows)


@block("factorial_sooner")
def factorial_sooner() -> str:
  """In how many combinations of the others the filter is sooner, in the mean of its runs."""
  found = Counter(_with_filter(group) for group in _alike(_runs(), "method"))
  sooner, later, neither = (spelled(found[word]) for word in ("sooner", "later", "neither"))
  return (
    f"of {found.total()} combinations of the others the filter is sooner in {sooner} and later in "
    f"{later}; in the other {neither} no run gets there"
  )


def _with_filter(group: Mapping[str, Sequence[Run]]) -> str:
  if not reached([*group[PLAIN], *group[FILTER]]):
    return "neither"
  return "sooner" if sum(_steps(group[FILTER])) < sum(_steps(group[PLAIN])) else "later"


@block("factorial_undecayed")
def factorial_undecayed() -> str:
  """How far it gets without weight decay and filter, at each initial scale."""
  runs = having(_runs(), decay=UNDECAYED)
  of_scales = (
    (
      words,
      [run.summary["best_val_accuracy"] or 0 for run in having(runs, method=PLAIN, init_scale=s)],
    )
    for s, words in FACTORS["init_scale"].items()
  )
  best = ", ".join(f"{100 * max(found):.0f} % with {words}" for words, found in of_scales)
  crossed = f"{spelled(reached(runs))} of {len(runs)} runs crosses"
  return f"{crossed}, and without filter the best get to {best}"


@block("factorial_best")
def factorial_best() -> str:
  """The combinations where a run crosses."""
  groups = grouped("factorial", *PARTS)
  return ranked({name: runs for name, runs in groups.items() if reached(runs)})
