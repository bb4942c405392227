"""Rounds of a search: trials are ordinary runs, stay in their space, and come nearer."""

import functools

import numpy as np

from experiments.reports import trials
from experiments.runs import plan, settings
from experiments.studies import rounds, spaces
from experiments.studies import trainer as trainer_
from experiments.training.population import Population
from tests.experiments.studies.tiny import FIXED, SPACE


@functools.cache
def trainer(width):
  return trainer_.Trainer(FIXED, SPACE, width)


def found(width=3, **given):
  return [*rounds.search(trainer(width), SPACE, trials=5, **given)]


@functools.cache
def both_rounds():
  return found(rounds=2)


def test_a_trial_is_an_ordinary_run():
  first = settings.make("modular", **FIXED)
  run = Population(plan.train_of(first), plan.init_of(first)[0], epochs=1)
  for row in both_rounds()[0][:2]:
    for operation, curve in zip(rounds.OPERATIONS, row["val_accuracy"], strict=True):
      numbers = {name: row[name] for name in SPACE}
      made = settings.make("modular", **FIXED, **numbers, operation=operation, seed=row["seed"])
      run.begin([plan.init_of(made)[0]])
      alone = [float(run.advance()["val_accuracy"]) for _ in range(3)]
      np.testing.assert_allclose(curve, alone, atol=1e-3)


def test_the_score_is_the_last_quarter_and_a_tenth_of_the_way():
  held, lost = [0.0] * 6 + [1.0] * 2, [0.0] * 6 + [1.0, 0.0]
  curves = np.array([[held, held], [lost, held], [[0.0] * 8] * 2])
  np.testing.assert_allclose(rounds.scores(curves), [1.0 + 0.025, 0.75 + 0.01875, 0.0])
  np.testing.assert_allclose(rounds.scores(np.ones((1, 2, 3))), [1.1])


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
  both = rounds.search(flat, SPACE, trials=6, rounds=2, stream=5)
  seen = [[row["b1"] for row in rows] for rows in both]
  best = sorted(seen[0])[-2:]
  reach = 4 * 0.14 * 0.4  # of a space 0.4 wide
  assert all(best[0] - reach <= b1 <= best[1] + reach for b1 in seen[1])
  other = next(rounds.search(flat, SPACE, trials=6, rounds=1, stream=6))
  assert [row["b1"] for row in other] != seen[0]


def test_one_after_another_or_side_by_side():
  alone, together = found(1, rounds=1)[0], both_rounds()[0]
  for one, other in zip(alone, together, strict=True):
    assert {n: one[n] for n in (*SPACE, "seed")} == {n: other[n] for n in (*SPACE, "seed")}
    np.testing.assert_allclose(one["val_accuracy"], other["val_accuracy"], atol=0.1)
