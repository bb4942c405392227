"""Scores of the benchmark: from when a method holds its goal, and one method against another."""

from experiments.fields import UsageError
from experiments.files import RESULTS
from experiments.reports import paired
from experiments.reports.pages.studies.grids import SIGNS, runs_of, split
from experiments.reports.pages.studies.ranked import FIRST, HELD, high_median, reached
from experiments.reports.read import Run
from experiments.runs.outcomes import STEPS_AFTER, start_of_last_stretch
from experiments.tasks.task import Goal

STUDY, RECIPE = "leaderboard", "recipe"
PAPERS = "transformer"  # the model of the reference track
GOAL = Goal("val_accuracy", 0.95)
NEVER = float("inf")
FEW = 5  # of the runs of two methods: fewer that get there tell nothing of which is sooner


def methods(*, reference: bool) -> list[str]:
  """The methods of a track that were scored, the best first."""
  names = (path.parent.name for path in (RESULTS / "studies" / STUDY).glob("*/summary.json"))
  chosen = [n for n in names if (runs_of(STUDY, n)[0].values["model"] == PAPERS) == reference]
  return sorted(chosen, key=lambda name: (_order(name), name))


def holding(name: str) -> int:
  """How many of a method's runs hold 95 % to the end."""
  return reached(runs_of(STUDY, name), HELD)


def by_operation(name: str) -> list[list[Run]]:
  """A method's runs on each operation."""
  return [*split(runs_of(STUDY, name)).values()]


def held_medians(name: str) -> list[float]:
  """From when a method holds 95 % on each operation."""
  found = [high_median(run.summary[HELD] for run in runs) for runs in by_operation(name)]
  return [NEVER if median is None else median for median in found]


def worst(name: str) -> float:
  """The median of the operation where it holds latest."""
  return max(held_medians(name))


def _order(name: str) -> tuple[float, ...]:
  """What holds soonest on its worst operation; then in more runs; then what crosses soonest."""
  runs = runs_of(STUDY, name)
  lost = 1 - holding(name) / len(runs)
  return worst(name), lost, high_median(run.summary[FIRST] for run in runs) or NEVER


def held(run: Run, level: float) -> int | None:
  """The step from which validation accuracy is never under a level again, for long enough."""
  start = start_of_last_stretch(run.records, Goal("val_accuracy", level))
  return start if start is not None and run.steps - start >= STEPS_AFTER else None


def held_for(run: Run, steps: int) -> int | None:
  """The first step from which it is at 95 % for so many steps, whatever comes after."""
  since = None
  for record in run.records:
    if not GOAL.reached(record):
      since = None
    elif since is None:
      since = record["step"]
    if since is not None and record["step"] - since >= steps:
      return since
  return None


def compared(name: str, other: str, figure: str = HELD) -> paired.Ratio:
  """One method's steps to another's, on the seeds that both have; without a crossing the budget.

  Raises:
    UsageError: if they had different ones.
  """
  budgets = {run.steps for each in (name, other) for run in runs_of(STUDY, each)}
  if len(budgets) > 1:
    raise UsageError(f"{name} and {other} must have one budget of steps; they have {budgets}.")
  seeds = {run.seed for run in runs_of(STUDY, name)} & {run.seed for run in runs_of(STUDY, other)}
  ours, theirs = (_steps(each, sorted(seeds), figure) for each in (name, other))
  return paired.ratio(ours, theirs)


def told(name: str, other: str, figure: str = HELD) -> str:
  """The same in words; where hardly a run of the two gets there, budgets would be compared."""
  if sum(reached(runs_of(STUDY, each), figure) for each in (name, other)) < FEW:
    return "too few get there"
  found = compared(name, other, figure)
  return f"{found}, {found.verdict}"


def _steps(name: str, seeds: list[int], figure: str) -> list[list[float]]:
  """Of each seed the steps on each operation."""
  runs = runs_of(STUDY, name)
  found = {(r.seed, r.values["operation"]): r.summary[figure] or r.steps for r in runs}
  return [[found[seed, operation] for operation in SIGNS] for seed in seeds]
