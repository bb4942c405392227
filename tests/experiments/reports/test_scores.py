"""Scores of the benchmark, on logs written by hand."""

import dataclasses
import math

import pytest

from experiments.fields import UsageError
from experiments.reports import read
from experiments.reports.pages.studies import leaderboard, scores, tuned_claims
from experiments.studies.contenders import CONTENDERS
from tests.experiments.reports.fake_runs import write_run

STEPS = 100  # evaluations, each 10 steps


def held_from(start, *, never_after=(), level=1.0):
  """Accuracies that are at a level from an evaluation on, but for some."""
  return [level if i >= start and i not in never_after else 0.5 for i in range(1, STEPS + 1)]


def run_of(tmp_path, accuracies):
  return read.read_runs(write_run(tmp_path, 0, accuracies, method="recipe"))[0]


@pytest.mark.parametrize(
  ("accuracies", "first_500", "held_99"),
  [
    (held_from(4), 40, 40),
    (held_from(4, never_after=(9,)), 100, 100),
    (held_from(4, never_after=(60,)), 40, None),  # 40 to 590, and then too late
    (held_from(4, level=0.97), 40, None),
    (held_from(60), None, None),
    (held_from(101), None, None),
  ],
)
def test_held_for_long_and_held_to_the_end(tmp_path, accuracies, first_500, held_99):
  run = run_of(tmp_path, accuracies)
  assert scores.held_for(run, 500) == first_500
  assert scores.held(run, 0.99) == held_99


@pytest.fixture
def scored(tmp_path, monkeypatch):
  """Two methods on four operations with five seeds, and from which step each holds its goal."""
  folder, starts = tmp_path / "studies", {"early": 4, "late": 8}
  for name, start in starts.items():
    (out := folder / "leaderboard" / name).mkdir(parents=True)
    for k, operation in enumerate(scores.SIGNS):
      for seed in range(5):
        begin = 101 if (name, operation, seed) == ("late", "div", 1) else start + k
        write_run(out, seed, held_from(begin), method="recipe", operation=operation)
    (out / "summary.json").write_text("{}")
  monkeypatch.setattr(scores, "RESULTS", tmp_path)
  runs = {name: read.read_runs(folder / "leaderboard" / name) for name in starts}
  for module in (scores, leaderboard):
    monkeypatch.setattr(module, "runs_of", lambda _, name: runs[name])
  return runs


def test_the_order_is_by_the_worst_operation(scored):
  assert scores.methods(reference=True) == ["early", "late"]
  assert scores.methods(reference=False) == []
  assert scores.held_medians("early") == [40, 50, 60, 70]
  assert scores.worst("late") == 110


def test_ratios_count_the_budget_for_what_is_not_held(scored):
  found = scores.compared("early", "late")
  held = [(40 / 80), (50 / 90), (60 / 100), (70 / 110)], [40 / 80, 50 / 90, 60 / 100, 70 / 1_000]
  logs = [4 * math.log(ratio) for ratio in held[0]] + [math.log(ratio) for ratio in held[1]]
  assert found.mean == pytest.approx(math.exp(sum(logs) / 20))
  assert found.better


def test_tables(scored):
  names = ["early", "late"]
  *_, early, late = leaderboard._table(names).splitlines()
  assert early == "| early | 5 | 40 (40 to 40) | 50 (50 to 50) | 60 (60 to 60) | 70 (70 to 70) |"
  assert late.endswith("| 110 (110 to -), 1 not |")
  *_, early, late = leaderboard._short(names).splitlines()
  assert early == "| early | 40 | 50 | 60 | 70 | 20 of 20 runs | 20 |"
  assert late == "| late | 80 | 90 | 100 | 110 | 19 of 20 runs | 19 |"
  *_, early, late = leaderboard._figures(names).splitlines()
  assert early.endswith("| 0 % | 100 % (100 to 100) |")


def test_why_runs_do_not_hold(scored):
  for step, run in zip((40, 500, 501, 800), scored["late"], strict=False):
    run.summary.update({scores.HELD: None, scores.FIRST: step})
  assert leaderboard.benchmark_not_held() == (
    "of 5 runs that do not hold 1 never cross, 2 cross after step 500, and 2 cross by then and are "
    "below it later"
  )


def test_pairs_are_against_adamw(scored, monkeypatch):
  monkeypatch.setattr(leaderboard, "AGAINST", "late")
  *_, early, late = leaderboard._pairs(["early", "late"]).splitlines()
  words = early.strip(" |").split(" | ")
  assert [cell.split()[-1] for cell in words[1::2]] == ["better"] * 2
  assert words[2::2] == ["20 of 20", "20 of 20"]
  assert late == "| late |  | 19 of 20 |  | 19 of 20 |"
  scored["early"][0] = dataclasses.replace(scored["early"][0], steps=1_001)
  with pytest.raises(UsageError, match="one budget of steps"):
    leaderboard._pairs(["early", "late"])


def test_where_hardly_a_run_gets_there_nothing_is_compared(scored):
  for runs in scored.values():
    for run in runs[2:]:
      run.summary[scores.HELD] = None
  assert scores.told("early", "late") == "too few get there"
  assert scores.told("early", "late", scores.FIRST).endswith("better")


def test_what_is_lost_counts_against_what_came_after(tmp_path):
  never = run_of(tmp_path, held_from(101))
  lost = run_of(tmp_path, held_from(50, never_after=(60, 61, 62, 63, 64)))
  assert leaderboard._lost([never, lost]) == ("10 %", "50 % (50 to 50)")  # five of fifty
  assert leaderboard._lost([never]) == ("-", "-")


def test_examples_are_those_of_whole_epochs_and_of_batches(scored):
  (run, *_) = scored["early"]
  assert run.values["p"] == 97
  assert leaderboard._examples(run, 20) == 2 * 97 * 96 // 2  # the tenth batch of an epoch has 48
  assert leaderboard._examples(run, 23) == 97 * 96 + 3 * 512


def test_a_method_without_costs_is_in_the_table_of_costs(scored):
  *_, early, _ = leaderboard._costs(["early", "late"]).splitlines()
  assert early == "| early |" + " not measured |" * 3 + " - |" * 5


def test_claims_are_of_methods_that_can_be_scored():
  assert all({claim.method, claim.other} <= CONTENDERS.keys() for claim in tuned_claims.CLAIMS)


def test_a_claim_is_judged_once_both_are_scored(scored, monkeypatch):
  claims = [
    tuned_claims.Claim(a + b, "we", a, b) for a, b in (("early", "late"), ("early", "other"))
  ]
  monkeypatch.setattr(tuned_claims, "CLAIMS", claims)
  monkeypatch.setattr(tuned_claims, "runs_of", lambda _, name: scored[name])
  scored["early"][0].summary["val_95_sustained_step"] = None  # it crosses, and does not hold
  _, _, *rows = tuned_claims.claims_tuned().splitlines()
  assert len(rows) == 1
  assert rows[0].startswith("| earlylate | we | 0.")
  assert rows[0].endswith(" | stands | 20 of 20, 19 of 20 | 19 of 20, 19 of 20 |")
