"""What the benchmark's page says of the recipe: its searches, and where it arrives."""

import itertools
import json
import statistics
from typing import Any

from experiments.files import RESULTS
from experiments.reports import tables
from experiments.reports.pages.markers import block
from experiments.reports.pages.studies import scores
from experiments.reports.pages.studies.grids import SIGNS, runs_of
from experiments.reports.pages.studies.ranked import DIPS, FIRST, HELD, reached, spread
from experiments.reports.words import spelled

TRIALS = [RESULTS / "recipe_trials" / name for name in ("trials.jsonl", "clipped.jsonl")]
AT = 140  # a step at which the first five searches' runs had ended, or were about to
NEW = {
  "1": "Muon for matrices, AdamW by group; the initial embeddings shrunk",
  "2": "nothing shrunk; higher rates of the MLP",
  "3": "each matrix a rate, decays apart from rates",
  "4": "positions a rate and a decay of their own",
  "5": "decays that fall faster than the rates",
  "6": "gradients divided by their norm, a longer momentum",
  "7": "four of Newton and Schulz's steps",
  "8": "instead of both, gradients clipped to the mean norm",
}


def _by_search() -> dict[str, list[dict[str, Any]]]:
  trials = [json.loads(line) for log in TRIALS for line in log.read_text().splitlines()]
  groups = itertools.groupby(trials, key=lambda trial: trial["search"])
  return {search: list(group) for search, group in groups}


@block("recipe_searches")
def recipe_searches() -> str:
  header = ("search", "what was new", "steps", "trials", *(f"{SIGNS[o]}, median" for o in _ORDER))
  rows: list[tuple[str, ...]] = [(*header, *(f"{SIGNS[o]}, best" for o in _ORDER))]
  for search, own in _by_search().items():
    ends = [[t["val_accuracy"][-1] for t in own if t["operation"] == o] for o in _ORDER]
    figures = [f"{100 * f(e):.0f} %" if e else "" for f in (statistics.median, max) for e in ends]
    rows.append((search, NEW[search], str(own[0]["steps"]), str(len(own)), *figures))
  return tables.markdown(rows)


_ORDER = ("sub", "div", "mul")


@block("recipe_gap")
def recipe_gap() -> str:
  """Both accuracies at the end of the last search's trials."""
  search, own = list(_by_search().items())[-1]
  train, val = (
    100 * statistics.median(trial[f"{half}_accuracy"][-1] for trial in own)
    for half in ("train", "val")
  )
  return (
    f"at the median the trials of search {search} have {train:.0f} % of the training half, and "
    f"{val:.0f} % of the other"
  )


PARTS = {
  "as_it_is": "as it is",
  "decays_do_not_fall": "decays stay as they begin",
  "rates_do_not_fall": "rates stay as they begin",
  "half_the_decays": "half of the decays",
  "positions_do_not_decay": "positions do not decay",
  "attention_like_the_matrices": "queries, keys and values like the matrices",
  "momentum_095": "Muon's momentum 0.95",
  "b2_0999": "AdamW's β₂ 0.999",
  "clip_before": "gradients clipped to the mean norm",
  "clip_and_longer_averages": "the same, momentum 0.8, β₁ 0.9",
  "filter_before": "Grokfast-EMA before it, α 0.8",
}


@block("recipe_parts")
def recipe_parts() -> str:
  """Of each part changed: the first crossing, and the accuracies of the median run on the way."""
  header = "changed", "95 %", "dips after it", f"validation at {AT}", f"training at {AT}"
  rows: list[tuple[str, ...]] = [header]
  for part, words in PARTS.items():
    for lamb, group in itertools.groupby(
      runs_of("recipe", part), lambda run: run.values.get("lamb")
    ):
      runs = list(group)
      name = words if lamb is None else f"{words}, λ {lamb:g}"
      at = [next(r for r in run.records if r["step"] == AT) for run in runs]
      middle = (statistics.median(r[f"{of}_accuracy"] for r in at) for of in ("val", "train"))
      crossings = spread(runs, FIRST), spread(runs, DIPS)
      rows.append((name, *crossings, *(f"{100 * value:.0f} %" for value in middle)))
  return tables.markdown(rows)


@block("recipe_front")
def recipe_front() -> str:
  """From when it holds 95 % on each operation, and over how many seeds that is the median."""
  (seeds,) = {len(runs) for runs in scores.by_operation(scores.RECIPE)}
  steps = zip(SIGNS.values(), scores.held_medians(scores.RECIPE), strict=True)
  told = ", ".join(f"{sign} from step {step:,.0f}" for sign, step in steps)
  return f"{told} on, at the median of {spelled(seeds)} seeds"


@block("recipe_lost")
def recipe_lost() -> str:
  """Of all runs how many cross, how many hold it, and how many of these from the first on."""
  runs = runs_of(scores.STUDY, scores.RECIPE)
  kept = sum(run.summary[HELD] == run.summary[FIRST] is not None for run in runs)
  return (
    f"of {len(runs)} runs {reached(runs)} get to 95 %, {reached(runs, HELD)} hold it to the end, "
    f"{kept} without one evaluation below it"
  )
