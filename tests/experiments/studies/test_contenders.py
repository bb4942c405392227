"""The benchmark's methods: all can be trained, and each is scored with the best of its trials."""

import json
import re
from pathlib import Path

import jax
import numpy as np
import pytest

from experiments.fields import UsageError
from experiments.files import RESULTS
from experiments.reports import trials
from experiments.reports.pages.studies import tuning
from experiments.reports.read import read_runs
from experiments.runs import plan, settings
from experiments.studies import rounds as rounds_
from experiments.studies import spaces
from experiments.studies.contenders import (
  AGAIN,
  CONTENDERS,
  FALLING,
  OPEN_RECIPE,
  OURS,
  RECIPE,
  ROUNDS,
  STEPS,
  TRIALS,
)
from experiments.studies.grids.leaderboard import LEADERBOARD

ROOT = Path(__file__).parents[3]
TUNED = [name for name, each in CONTENDERS.items() if each.tuned is not None]
SEARCHED = [name for name in CONTENDERS if name not in OURS]


@pytest.mark.parametrize("name", [name for name in CONTENDERS if CONTENDERS[name].space])
def test_trials_are_settings(name):
  each = CONTENDERS[name]
  for trial in spaces.spread(each.space, 5, np.random.default_rng(0)):
    made = settings.make("modular", **each.fixed, **trial)
    assert {n: made[n] for n in trial} == pytest.approx(trial)
  assert 2 <= len(each.space) <= 5


@pytest.mark.parametrize("name", SEARCHED)
def test_the_first_setting_is_in_the_space(name):
  each = CONTENDERS[name]
  assert each.first.keys() == each.space.keys()
  for setting, value in each.first.items():
    low, high, _ = each.space[setting]
    assert low <= value <= high


@pytest.mark.parametrize("name", sorted(path.name for path in trials.CONSTANT.glob("*")))
def test_what_is_known_is_tried_at_a_constant_rate(name):
  each = CONTENDERS[name]
  form, found = trials.read(trials.CONSTANT / name)
  assert form["fixed"] == {**each.fixed, "lr_end": 1.0, "steps": STEPS}
  settings_ = [{n: trial[n] for n in each.space} for trial in found]
  falling = trials.best(trials.read(trials.TUNING / name)[1], [*each.space])
  known = [setting for setting in (each.first, falling, each.earlier) if setting]
  *tried, again = settings_
  assert [s for s in tried if s not in known] == [s for s in known if s not in tried] == []
  seeds = [trial["seed"] - rounds_.FIRST_SEED for trial in found]
  assert seeds == [0] * len(tried) + [1]
  scores = [trial["score"] for trial in found[:-1]]
  assert again == tried[scores.index(max(scores))]
  curves = np.array([trial["val_accuracy"] for trial in found])
  np.testing.assert_allclose([t["score"] for t in found], rounds_.scores(curves), atol=2e-4)


@pytest.mark.parametrize("name", SEARCHED)
def test_rates_and_decays_are_searched_widely(name):
  for setting, (low, high, log) in CONTENDERS[name].space.items():
    if setting in ("learning_rate", "weight_decay", "coefficient"):
      assert log
      assert high / low >= 30


def test_the_recipe_was_searched_as_the_page_says():
  logs = [RESULTS / "recipe_trials" / "trials.jsonl", *RESULTS.glob("searches/*/trials.jsonl")]
  later, *earlier = ([json.loads(line) for line in log.read_text().splitlines()] for log in logs)
  assert (len(later), sum(map(len, earlier))) == (750, 3_072)
  clipped = map(json.loads, (RESULTS / "recipe_trials" / "clipped.jsonl").read_text().splitlines())
  assert min(t["seed"] for found in (later, clipped, *earlier) for t in found) >= 1_000


@pytest.mark.parametrize("name", SEARCHED)
def test_all_have_the_same_schedule(name):
  made = settings.make("modular", **CONTENDERS[name].fixed, **CONTENDERS[name].first)
  assert {n: made[n] for n in FALLING} == FALLING


@pytest.mark.parametrize("name", [name for name in TUNED if name in SEARCHED])
def test_scored_is_the_best_of_as_many_trials_as_all_have(name):
  each = CONTENDERS[name]
  form, found = trials.read(RESULTS / "benchmark_tuning" / name)
  sizes = {"trials": TRIALS, "rounds": ROUNDS, "again": AGAIN}
  assert {n: form[n] for n in sizes} == sizes
  assert form["fixed"] == {**each.fixed, "steps": STEPS}
  assert [form["space"], form["first"]] == json.loads(json.dumps([each.space, each.first]))
  rounds = [*np.repeat(range(ROUNDS), TRIALS), *[ROUNDS] * AGAIN]
  assert [trial["round"] for trial in found] == rounds
  seeds = {trial["round"]: trial["seed"] for trial in found}
  assert seeds == {
    **dict.fromkeys(range(ROUNDS), rounds_.FIRST_SEED),
    ROUNDS: rounds_.FIRST_SEED + 1,
  }
  assert {n: found[0][n] for n in each.space} == each.first
  assert each.tuned == trials.found(name)
  curves = np.array([trial["val_accuracy"] for trial in found])
  np.testing.assert_allclose([t["score"] for t in found], rounds_.scores(curves), atol=2e-4)


def test_the_command_on_the_page_is_the_open_track_s_winner():
  page = " ".join((ROOT / "docs" / "benchmark.md").read_text().replace("\\", "").split())
  each = CONTENDERS[OPEN_RECIPE]
  for name, value in each.given.items():
    assert f"--{name.replace('_', '-')} {value} " in page


def test_no_search_trains_with_a_seed_that_is_scored():
  for part in LEADERBOARD.parts.values():
    for full in (False, True):
      assert max(member["seed"] for member in part.members(full=full)) < rounds_.FIRST_SEED


@pytest.mark.parametrize("name", TUNED)
def test_a_model_is_no_larger_than_the_track_allows(name):
  made = LEADERBOARD.parts[name].members()[0]
  member, _ = plan.init_of(made)
  shapes = jax.eval_shape(plan.train_of(made).init_params, member.key)
  assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) <= 500_000


def test_the_quadratic_network_s_two_accuracies_rise_together():
  """As far as one can tell: training accuracy lags half an epoch."""
  runs = read_runs(RESULTS / "studies" / "leaderboard" / OPEN_RECIPE)
  assert len(runs) == 40
  assert all(run.summary["val_95_step"] <= run.summary["train_99_step"] for run in runs)


@pytest.mark.parametrize("name", TUNED)
def test_the_page_says_what_a_name_means(name):
  page = (ROOT / "docs" / "benchmark.md").read_text()
  track = "Open" if CONTENDERS[name].open else "Reference"
  section = page.split(f"## {track} track\n")[1].split("\n## ")[0]
  prose = re.sub("<!-- begin .*?<!-- end -->", "", section, flags=re.DOTALL)
  told = [name, *(f"{filter_}_..." for filter_ in ("ema", "ma") if name.startswith(f"{filter_}_"))]
  assert any(f"*{word}*" in prose for word in told)


def test_the_recipe_is_scored_as_it_is_in_the_library():
  (made, *_) = LEADERBOARD.parts[RECIPE].members()
  assert made.values == {**settings.make("modular", method="recipe").values, **made_of(made)}


def made_of(made):
  return {name: made[name] for name in ("operation", "seed", "steps")}


def test_a_method_with_trials_and_no_scores_is_named(monkeypatch):
  """Else the tables would be without it."""
  monkeypatch.setattr(tuning, "methods", lambda *, reference: ["adamw"])
  with pytest.raises(UsageError, match=r"adam has trials and no scores.*--part adam"):
    tuning.benchmark_trials()


def test_every_tuned_method_is_scored():
  scored = {
    file.parent.name for file in (RESULTS / "studies" / "leaderboard").glob("*/summary.json")
  }
  assert scored == {*LEADERBOARD.parts} == {*TUNED}
