"""The task: data, split, settings, table."""

import dataclasses

import jax
import numpy as np
import pytest

from experiments import arithmetic, modular, training
from experiments.cli import UsageError

OPERATIONS = {
  "add": lambda x, y, p: (x + y) % p,
  "sub": lambda x, y, p: (x - y) % p,
  "mul": lambda x, y, p: x * y % p,
}


@pytest.mark.parametrize("p", [5, 13, 97])
@pytest.mark.parametrize("operation", [*OPERATIONS, "div"])
def test_table(operation, p):
  rows = list(zip(*arithmetic.table(operation, p), strict=True))
  assert [(x, y) for x, y, _ in rows] == [(x, y) for x in range(p) for y in range(1, p)]
  for x, y, answer in rows:
    assert 0 <= answer < p
    if operation == "div":
      assert answer * y % p == x
    else:
      assert answer == OPERATIONS[operation](int(x), int(y), p)


def test_the_reference_has_9312_rows_in_batches_of_512_and_one_of_48():
  settings = modular.EXPERIMENT.resolve(modular.Settings())
  assert len(arithmetic.table("mul", 97)[0]) == 9_312
  assert modular.train_count(settings) == 4_656 == 9 * 512 + 48


def test_zero_may_be_included():
  x, y, answer = arithmetic.table("mul", 5, include_zero=True)
  assert len(x) == 25
  assert np.all(answer == x * y % 5)


def test_split():
  rows = arithmetic.table("sub", 11)
  split = training.split_rows(jax.random.key(0), rows, 40)
  parts = [set(zip(*map(np.ndarray.tolist, map(np.asarray, p)), strict=True)) for p in split]
  assert (len(parts[0]), len(parts[1])) == (40, 70)
  assert not parts[0] & parts[1]
  assert parts[0] | parts[1] == set(zip(*(a.tolist() for a in rows), strict=True))
  again = training.split_rows(jax.random.key(1), rows, 40)
  assert np.any(np.asarray(again.train[0]) != np.asarray(split.train[0]))


@pytest.mark.parametrize(
  ("settings", "message"),
  [
    ({"p": 9, "operation": "div"}, "--operation div needs a prime --p; 9 is not prime"),
    ({"p": 1}, "--p must be from 2 to 1,000; got 1"),
    ({"p": 10**9}, "--p must be from 2 to 1,000"),
    ({"train_fraction": 0.0}, "--train-fraction must be between 0 and 1; got 0.0"),
    ({"train_fraction": 1.0}, "--train-fraction must be between 0 and 1"),
    ({"train_fraction": float("nan")}, "--train-fraction must be between 0 and 1"),
    ({"train_fraction": 1e-6}, "of 9312 pairs leaves none to train on"),
    ({"batch_size": 5_000}, "--batch-size must be from 1 to the 4,656 training pairs; got 5000"),
    ({"batch_size": 0}, "--batch-size must be from 1"),
    ({"p": 7}, "--batch-size must be from 1 to the 21 training pairs; got 512"),
    ({"operation": "div", "include_zero": True}, "--include-zero is for add, sub and mul"),
    ({"seed": -1}, "--seed must be from 0"),
    ({"eval_every": 0}, "--eval-every must be from 1"),
    ({"steps": 0}, "--steps must be from 1"),
    ({"stop_when_held": -1}, "--stop-when-held must be at least 0"),
  ],
)
def test_refused(settings, message):
  with pytest.raises(UsageError, match=message):
    modular.EXPERIMENT.resolve(modular.Settings(**settings))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_composite_modulus_is_fine_without_division(operation):
  modular.EXPERIMENT.resolve(modular.Settings(operation=operation, p=10, batch_size=16))


def test_the_table_shows_the_published_figure_and_what_was_not_reached(tmp_path):
  settings = modular.EXPERIMENT.resolve(modular.Settings(method="grokfast_ema"))
  result = {
    "train_99_step": 800,
    "val_95_step": 1000,
    "val_95_sustained_step": None,
    "held_steps": 0,
    "steps": 2500,
    "steps_per_second": 61.5,
    "interrupted": False,
  }

  def rows(settings):
    lines = modular.EXPERIMENT.report(settings, result, tmp_path).splitlines()
    return {line[:40].strip(): line[40:].split() for line in lines[1:-1]}

  table = rows(settings)
  assert table[""] == ["here", "published"]
  assert table["validation accuracy 95 % at step"] == ["1,000", "910"]
  assert table["sooner than the published 39,890"] == ["x", "39.9", "x", "43.8"]
  assert table["95 % sustained to the end from step"] == ["-"]
  others = rows(dataclasses.replace(settings, alpha=0.9))
  assert others["validation accuracy 95 % at step"] == ["1,000"]
  assert others["sooner than the published 39,890"] == ["x", "39.9"]
  assert "sooner than the published 39,890" not in rows(dataclasses.replace(settings, p=89))
