"""What the benchmark's page says of methods on data that they were not tuned on."""

from collections.abc import Sequence

from experiments.reports import results, tables
from experiments.reports.pages.markers import block
from experiments.reports.pages.studies.grids import runs_of
from experiments.reports.pages.studies.ranked import high_median
from experiments.reports.read import Run, by_setting

# What is trained on, in the words of its settings.
PLACES = {
  "fraction": "{operation}, 30 % of the pairs",
  "p113": "{operation} mod {p}",
  "polynomials": "{operation}",
  "s5": "S5, {operation}",
  "parity": "parity, {k} of {n}, {samples:,} examples",
  "adder": "addition of {digits} digits",
  "mnist": "MNIST, 1,000 images",
}
OF_ALL, ELSEWHERE = ("recipe", "adamw"), ("s5", "parity", "adder", "mnist")
ARMS = {"recipe": "recipe", "recipe_stays": "recipe, nothing falls", "adamw": "AdamW, tuned"}


def _cell(runs: Sequence[Run]) -> str:
  """From when the goal is reached, and how many hold it; else the best that is reached."""
  if not runs:
    return ""
  goal = runs[0].task.goals[0]
  steps = [run.summary[f"{goal.name}_step"] for run in runs]
  if all(step is None for step in steps):
    best = high_median(run.summary[f"best_{goal.metric}"] for run in runs)
    return f"none of {len(runs)}, best {100 * (best or 0):.0f} %"
  held = sum(map(_kept, runs))
  return f"{results.spread(f'{goal.name}_step', steps)}; {held} of {len(runs)} hold it"


def _kept(run: Run) -> bool:
  """To the end of the budget, or for as long as it was to."""
  goal = run.task.goals[0]
  return run.ended == "held" or run.summary[f"{goal.name}_sustained_step"] is not None


@block("transfer")
def transfer() -> str:
  """Of each task, and of each of its operations, every arm."""
  rows: list[tuple[str, ...]] = [("data", "steps", "goal", "seeds", *ARMS.values())]
  for place, words in PLACES.items():
    found: dict[str, dict[str, list[Run]]] = {}
    for arm in ARMS if place in ELSEWHERE else OF_ALL:
      for runs in by_setting(runs_of("transfer", f"{place}_{arm}")).values():
        found.setdefault(words.format(**runs[0].values), {})[arm] = runs
    for data, by_arm in found.items():
      first, *_ = by_arm["recipe"]
      goal = f"{100 * first.task.goals[0].threshold:.0f} %"
      cells = (_cell(by_arm.get(arm, [])) for arm in ARMS)
      rows.append((data, f"{first.steps:,}", goal, str(len(by_arm["recipe"])), *cells))
  return tables.markdown(rows)
