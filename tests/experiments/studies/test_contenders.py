"""The benchmark's methods: all can be trained, and each is scored with the best of its trials."""

import json

import jax
import numpy as np
import pytest

from experiments.reports.pages.markers import RESULTS
from experiments.reports.read import read_runs
from experiments.runs import plan, settings
from experiments.studies import search, spaces
from experiments.studies.contenders import CONTENDERS, RECIPE, ROUNDS, STEPS, TRIALS
from experiments.studies.grids.leaderboard import LEADERBOARD

TUNED = [name for name, each in CONTENDERS.items() if each.tuned is not None]


@pytest.mark.parametrize("name", CONTENDERS)
def test_trials_are_settings(name):
  each = CONTENDERS[name]
  for trial in spaces.spread(each.space, 5, np.random.default_rng(0)):
    made = settings.make("modular", **each.fixed, **trial)
    assert {n: made[n] for n in trial} == pytest.approx(trial)
  assert 2 <= len(each.space) <= (13 if name == RECIPE else 5)


@pytest.mark.parametrize("name", [name for name in TUNED if name != RECIPE])
def test_scored_is_the_best_of_as_many_trials_as_all_have(name):
  each, folder = CONTENDERS[name], RESULTS / "benchmark_tuning" / name
  form = json.loads((folder / "search.json").read_text())
  assert form["trials"] == TRIALS
  assert form["fixed"] == {**each.fixed, "steps": STEPS}
  assert form["space"] == json.loads(json.dumps(each.space))
  trials = [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]
  assert [trial["round"] for trial in trials] == sorted([*range(ROUNDS)] * TRIALS)
  best = max(trials, key=lambda trial: trial["score"])
  assert each.tuned == {setting: best[setting] for setting in each.space}
  curves = np.array([trial["val_accuracy"] for trial in trials])
  np.testing.assert_allclose([t["score"] for t in trials], search.scores(curves), atol=2e-4)


def test_no_seed_is_tuned_on_and_scored():
  for part in LEADERBOARD.parts.values():
    for full in (False, True):
      assert max(member["seed"] for member in part.members(full=full)) < search.FIRST_SEED


@pytest.mark.parametrize("name", TUNED)
def test_a_model_is_no_larger_than_the_track_allows(name):
  made = LEADERBOARD.parts[name].members()[0]
  member, _ = plan.init_of(made)
  shapes = jax.eval_shape(plan.train_of(made).init_params, member.key)
  assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) <= 500_000


def test_the_quadratic_network_does_not_memorise_first():
  runs = read_runs(RESULTS / "studies" / "leaderboard" / "quadratic_muon")
  assert len(runs) == 40
  assert all(run.summary["val_95_step"] <= run.summary["train_99_step"] for run in runs)


def test_the_recipe_is_scored_as_it_is_in_the_library():
  (made, *_) = LEADERBOARD.parts[RECIPE].members()
  assert made.values == {**settings.make("modular", method="recipe").values, **made_of(made)}


def made_of(made):
  return {name: made[name] for name in ("operation", "seed", "steps")}


def test_every_tuned_method_is_scored():
  assert list(LEADERBOARD.parts) == TUNED
