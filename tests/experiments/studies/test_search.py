"""The search: trials are ordinary runs, stay in their space, and a stopped search resumes."""

import functools
import json

import numpy as np
import pytest

from experiments.reports.pages.studies import trials
from experiments.runs import plan, settings
from experiments.studies import search, spaces
from experiments.studies import trainer as trainer_
from experiments.studies.contenders import Contender
from experiments.training.population import Population

TINY = {"p": 7, "batch_size": 8, "width": 16, "heads": 2, "layers": 1, "steps": 9}
FIXED = {"method": "baseline", "optimizer": "adamw", **TINY}
SPACE: spaces.Space = {"learning_rate": (1e-3, 1e-1, True), "b1": (0.5, 0.9, False)}


@functools.cache
def trainer(width):
  return trainer_.Trainer(FIXED, SPACE, width)


def found(width=3, **given):
  return [*search.search(trainer(width), SPACE, trials=5, **given)]


@functools.cache
def both_rounds():
  return found(rounds=2)


def test_a_trial_is_an_ordinary_run():
  first = settings.make("modular", **FIXED)
  run = Population(plan.train_of(first), plan.init_of(first)[0], epochs=1)
  for row in both_rounds()[0][:2]:
    for operation, curve in zip(search.OPERATIONS, row["val_accuracy"], strict=True):
      numbers = {name: row[name] for name in SPACE}
      made = settings.make("modular", **FIXED, **numbers, operation=operation, seed=row["seed"])
      run.begin([plan.init_of(made)[0]])
      alone = [float(run.advance()["val_accuracy"]) for _ in range(3)]
      np.testing.assert_allclose(curve, alone, atol=1e-3)


def test_the_score_is_the_last_quarter_and_a_tenth_of_the_way():
  held, lost = [0.0] * 6 + [1.0] * 2, [0.0] * 6 + [1.0, 0.0]
  curves = np.array([[held, held], [lost, held], [[0.0] * 8] * 2])
  np.testing.assert_allclose(search.scores(curves), [1.0 + 0.025, 0.75 + 0.01875, 0.0])
  np.testing.assert_allclose(search.scores(np.ones((1, 2, 3))), [1.1])


def test_trials_stay_in_the_space_and_come_nearer():
  rounds = [[[row[name] for name in SPACE] for row in rows] for rows in both_rounds()]
  low, high = np.array([(low, high) for low, high, _ in SPACE.values()]).T
  for rows in map(np.array, rounds):
    assert np.all((low <= rows) & (rows <= high))
  rng = np.random.default_rng(1)
  (one,) = spaces.spread(SPACE, 1, rng)
  near = [spaces.changed(one, one, SPACE, 0.01, rng) for _ in range(50)]
  assert np.std([trial["b1"] for trial in near]) < 0.01
  assert one not in near
  assert {row["seed"] for rows in both_rounds() for row in rows} == {1_000}


def test_of_each_number_there_is_one_trial_in_each_part():
  for seed in range(5):
    spread = spaces.spread(SPACE, 4, np.random.default_rng(seed))
    for name, (low, high, log) in SPACE.items():
      of = np.log if log else np.asarray
      shares = (of([trial[name] for trial in spread]) - of(low)) / (of(high) - of(low))
      assert sorted((4 * shares).astype(int)) == [0, 1, 2, 3]


def test_the_known_setting_comes_first_and_the_best_once_more():
  first = {"learning_rate": 0.01, "b1": 0.75}
  one, two, last = found(rounds=2, again=2, first=[first])
  assert {n: one[0][n] for n in SPACE} == first
  assert [{row["seed"] for row in rows} for rows in (one, two, last)] == [{1_000}, {1_000}, {1_001}]
  ranked = sorted([*one, *two], key=lambda row: -row["score"])
  settings_of = [[row[n] for n in SPACE] for row in ranked]
  assert [[row[n] for n in SPACE] for row in last] == settings_of[:2]
  best = trials.best([*one, *two, *last], [*SPACE])
  means = [ranked[i]["score"] + last[i]["score"] for i in range(2)]
  assert [*best.values()] == settings_of[int(means[1] > means[0])]


def test_the_second_round_stays_near_the_best_two():
  class Flat:
    """A trainer for which a number alone counts."""

    def curves(self, members):
      return np.array([[member["b1"]] for member in members])

  flat = Flat()
  both = search.search(flat, SPACE, trials=6, rounds=2, stream=5)
  seen = [[row["b1"] for row in rows] for rows in both]
  best = sorted(seen[0])[-2:]
  reach = 4 * 0.14 * 0.4  # of a space 0.4 wide
  assert all(best[0] - reach <= b1 <= best[1] + reach for b1 in seen[1])
  other = next(search.search(flat, SPACE, trials=6, rounds=1, stream=6))
  assert [row["b1"] for row in other] != seen[0]


def test_one_after_another_or_side_by_side():
  alone, together = found(1, rounds=1)[0], both_rounds()[0]
  for one, other in zip(alone, together, strict=True):
    assert {n: one[n] for n in (*SPACE, "seed")} == {n: other[n] for n in (*SPACE, "seed")}
    np.testing.assert_allclose(one["val_accuracy"], other["val_accuracy"], atol=0.1)


def test_a_stopped_search_resumes(tmp_path, monkeypatch, capsys):
  monkeypatch.setattr(search, "CONTENDERS", {"tiny": Contender(FIXED, SPACE)})
  command = ["tiny", "--trials", "3", "--rounds", "2", "--again", "2", "--steps", "9"]
  command += ["--out", str(tmp_path / "out")]
  assert search.main(command) == 0
  log = tmp_path / "out" / "trials.jsonl"
  whole = log.read_text()
  assert len(whole.splitlines()) == 3 + 3 + 2
  for kept, resumed in ((4, 2), (7, 3)):  # torn in the second round, and in the last
    log.write_text("".join(whole.splitlines(keepends=True)[:kept]) + '{"round": 1, "se')
    capsys.readouterr()
    assert search.main(command) == 0
    assert log.read_text() == whole
    assert capsys.readouterr().out.startswith(f"tiny, round {resumed} of 3")


def test_known_settings_at_a_constant_rate(tmp_path, monkeypatch):
  first, known = {"learning_rate": 0.01, "b1": 0.6}, {"learning_rate": 0.02, "b1": 0.7}
  falling = {**FIXED, "schedule": "linear", "lr_end": 0.1}
  tiny = Contender(falling, SPACE, first, known=known)
  monkeypatch.setattr(search, "CONTENDERS", {"tiny": tiny})
  for place in ("TUNING", "CONSTANT"):
    monkeypatch.setattr(trials, place, tmp_path / place)
  size = ["--trials", "2", "--rounds", "1", "--again", "2", "--steps", "9"]
  assert search.main(["tiny", *size, "--out", str(tmp_path / "TUNING" / "tiny")]) == 0
  out = tmp_path / "CONSTANT" / "tiny"
  assert search.main(["tiny", "--constant", "--steps", "9", "--out", str(out)]) == 0
  (form, rows), (_, before) = trials.read(out), trials.read(tmp_path / "TUNING" / "tiny")
  assert form["fixed"] == {**falling, "lr_end": 1.0}
  best = trials.best(before, [*SPACE])
  chosen = [first, known] if best == first else [first, best, known]
  *once, again = ({n: row[n] for n in SPACE} for row in rows)
  assert once == chosen
  assert again == once[np.argmax([row["score"] for row in rows[:-1]])]
  assert [row["seed"] for row in rows] == [1_000] * len(chosen) + [1_001]
  rows[-1]["score"] = 9.0  # a constant rate wins
  (out / trials.LOG).write_text("".join(json.dumps(row) + "\n" for row in rows))
  assert trials.found("tiny") == {**again, "lr_end": 1.0}
  rows[-1]["score"] = -9.0
  (out / trials.LOG).write_text("".join(json.dumps(row) + "\n" for row in rows))
  assert trials.found("tiny") == best


@pytest.mark.parametrize(
  ("words", "told"),
  [
    (["tyny"], "NAME must be one of adam"),
    (["quadratic_recipe"], "got 'quadratic_recipe'"),  # it has nothing to search
    (["recipe", "--trials", "0"], "--trials must be at least 1"),
    (["recipe", "--trials", "3", "--again", "4"], "--again must be from 0 to --trials 3; got 4"),
    (["recipe", "--steps", "60"], "holds another search"),
    (["recipe", "--constant"], "--constant needs the trials of recipe"),
    (["recipe", "--constant", "--rounds", "2"], "--constant has no --trials, --rounds or --again"),
  ],
)
def test_bad_input_is_one_line(words, told, tmp_path, capsys):
  (tmp_path / "search.json").write_text(json.dumps({"search": "filter"}))
  assert search.main([*words, "--out", str(tmp_path)]) == 2
  error = capsys.readouterr().err
  assert told in error
  assert error.count("\n") == 1
