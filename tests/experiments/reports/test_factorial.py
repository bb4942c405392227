"""The factorial's tables, from logs that were made up so that the effects are known."""

import pytest

from experiments.reports import read
from experiments.reports.pages.studies import factorial, grids
from experiments.studies.grids.factorial import FACTORIAL
from tests.experiments.reports.fake_runs import records_of, write_sweep


def crossing(member):
  """Without weight decay never; the filter halves the steps, and the rate divides them by three."""
  if not member["weight_decay"]:
    return None
  slower = 1 if member["method"] == "grokfast_ema" else 2
  return 300 * slower // (3 if member["learning_rate"] == 3e-3 else 1) + 10 * member["seed"]


def curve(member):
  step, epochs = crossing(member), member["steps"] // 10
  before = epochs if step is None else step // 10 - 1
  return records_of([0.2] * before + [1.0] * (epochs - before))


@pytest.fixture(scope="module")
def made_up(tmp_path_factory):
  folder = tmp_path_factory.mktemp("factorial")
  for name, part in FACTORIAL.parts.items():
    write_sweep(folder / name, curve, **part.sweep())
  return {name: read.read_runs(folder / name) for name in FACTORIAL.parts}


@pytest.fixture
def runs(made_up, monkeypatch):
  for module in (factorial, grids):
    monkeypatch.setattr(module, "runs_of", lambda _, part: made_up[part])


def rows_of(table):
  return {row[0]: row[1:] for row in map(cells_of, table.splitlines()[2:])}


def cells_of(line):
  return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_page_has_every_part_and_every_level():
  assert {*factorial.PARTS} == {*FACTORIAL.parts}
  members = [m for part in FACTORIAL.parts.values() for m in part.members()]
  for factor, levels in factorial.FACTORS.items():
    if factor != "decay":
      assert [*dict.fromkeys(m[factor] for m in members)] == [*levels]
  decays = {(m["optimizer"], m["weight_decay"]) for m in members}
  assert decays == {*factorial.FACTORS["decay"]}


def test_effects(runs):
  rows = rows_of(factorial.factorial_effects())
  counts, of_filter = rows["EMA filter (0.98, 2)"]
  assert counts == "32, 32, 32 of 48"
  ratio, verdict = of_filter.split(", ")
  assert 0.5 < float(ratio[:4]) < 0.56
  assert verdict == "better; 16 of 24"
  assert 0.33 < float(rows["learning rate 0.003"][1][:4]) < 0.39
  # No run crosses without weight decay: each counts the steps of its budget.
  of_decay = rows["weight decay 0.005, coupled"][1]
  assert float(of_decay[:4]) < 0.2
  assert of_decay.endswith("better; 16 of 16")
  assert rows["weight decay 0.005, coupled"] == rows["weight decay 1, decoupled"]
  assert rows["β₁ 0.98"][1] == "1.00 (1.00 to 1.00), not told apart; 16 of 24"
  assert rows["no weight decay"] == ["0, 0, 0 of 32", ""]


def test_where_the_filter_helps(runs):
  rows = rows_of(factorial.factorial_filter())
  assert rows["no weight decay"] == ["0, 0, 0 of 16", "0, 0, 0 of 16", "neither"]
  assert rows["everywhere"][:2] == ["32, 32, 32 of 48"] * 2
  assert len(rows) == len(factorial.PLACES)
  without, _, ratio = rows["weight decay 1, decoupled, learning rate 0.003"]
  assert without == "8, 8, 8 of 8"
  assert ratio.endswith("better; 4 of 4")


def test_what_the_page_says_of_them(runs):
  assert factorial.factorial_sooner() == (
    "of 24 combinations of the others the filter is sooner in 16 and later in none; in the other "
    "eight no run gets there"
  )
  assert factorial.factorial_undecayed() == (
    "none of 32 runs crosses, and without filter the best get to 20 % with initial scale 1, "
    "20 % with initial scale 0.5"
  )


def test_the_best_are_those_that_hold_soonest_and_what_never_crosses_is_left_out(runs):
  settings = [cells_of(line)[0] for line in factorial.factorial_best().splitlines()[2:]]
  assert len(settings) == 32
  assert all("grokfast_ema" in s and "learning_rate 0.003" in s for s in settings[:8])
  assert not any("grokfast_ema" in s and "learning_rate 0.003" in s for s in settings[8:])
