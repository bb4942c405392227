"""What the pages say of MNIST, QM9 and IMDb: filter and weight decay, each alone."""

import functools
import math

from experiments.reports import results
from experiments.reports.pages.markers import block
from experiments.reports.pages.modular import median, runs_of, settings_of
from experiments.reports.words import digits
from experiments.runs.outcomes import first_step
from experiments.tasks.task import Goal

# The figure of each in the front page's table.
FIGURES = {
  "mnist": "val_85_step",
  "qm9": "best_val_batch_loss",
  "imdb": "best_val_batch_accuracy",
}


def _cells(name: str) -> str:
  neither, decay, filter_, both = (
    results.spread(FIGURES[name], [run.summary[FIGURES[name]] for run in group])
    for group in settings_of(name)
  )
  return f"{neither} → {both} | {decay} | {filter_}"


for _name in FIGURES:
  block(f"{_name}_cells")(functools.partial(_cells, _name))
  block(f"{_name}_table")(lambda name=_name: results.table(runs_of(name)))


def _firsts(name: str, goal: Goal) -> list[list[int | None]]:
  """Of each setting, the first step of each run at a goal."""
  return [[first_step(run.records, goal) for run in group] for group in settings_of(name)]


@block("mnist_gain")
def mnist_gain() -> str:
  neither, *_, both = settings_of("mnist")
  ours, published = (
    of(neither) / of(both)
    for of in (
      lambda group: median(run.summary["val_85_step"] for run in group),
      lambda group: group[0].published["val_85_step"],
    )
  )
  return f"{ours:.0f} times fewer steps to 85 % at the medians, {published:.0f} published"


@block("qm9_to_10")
def qm9_to_10() -> str:
  firsts = _firsts("qm9", Goal("val_loss", 10, "at_most"))
  neither, decay, filter_, both = (f"{median(steps):,}" for steps in firsts)
  return (
    f"by step {neither} without either, {decay} with weight decay alone, {filter_} with the filter "
    f"alone and {both} with both"
  )


@block("qm9_splits")
def qm9_splits() -> str:
  lowest = [run.summary["best_val_batch_loss"] or math.inf for run in settings_of("qm9")[0]]
  return f"one seed has {max(lowest):.3g} where another has {min(lowest):.3g}"


@block("imdb_best")
def imdb_best() -> str:
  best = [group[0].summary["best_val_accuracy"] for group in settings_of("imdb")]
  neither, decay, filter_, both = (digits("best_val_accuracy", value) for value in best)
  return (
    f"{neither}, {decay} with weight decay alone, {filter_} with the filter alone and {both} with "
    "both"
  )


@block("imdb_to_70")
def imdb_to_70() -> str:
  firsts = _firsts("imdb", Goal("val_accuracy", 0.7))
  neither, decay, filter_, both = (f"{step:,}" for (step,) in firsts if step)
  falls = [
    max(r["step"] for r in group[0].records if r["train_accuracy"] > 0.6)
    for group in settings_of("imdb")
  ]
  return (
    f"70 % comes at step {neither} without the filter and at {filter_} with it. At weight decay 10 "
    f"it comes at {decay} without the filter and at {both} with it; then both fall back to chance, "
    f"training too, after step {falls[1]:,} and after {falls[3]:,}"
  )


@block("imdb_apart")
def imdb_apart() -> str:
  best = [run.summary["best_val_accuracy"] or 0.0 for run in runs_of("imdb")]
  return f"{100 * (max(best) - min(best)):.0f}"


@block("imdb_batches")
def imdb_batches() -> str:
  batches, wholes = (
    [run.summary[f"best_val_{name}"] or 0.0 for run in runs_of("imdb")]
    for name in ("batch_accuracy", "accuracy")
  )
  gains = [round(100 * (one - all_)) for one, all_ in zip(batches, wholes, strict=True)]
  return f"{min(gains)} to {max(gains)} points"
