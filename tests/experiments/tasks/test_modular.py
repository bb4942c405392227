"""Modular arithmetic: the table of pairs, the split, and what is refused."""

import jax
import numpy as np
import pytest

from experiments.fields import UsageError
from experiments.runs import settings
from experiments.tasks import modular
from experiments.tasks.task import split_rows

OPERATIONS = {
  "add": lambda x, y, p: (x + y) % p,
  "sub": lambda x, y, p: (x - y) % p,
  "mul": lambda x, y, p: x * y % p,
}


@pytest.mark.parametrize("p", [5, 13, 97])
@pytest.mark.parametrize("operation", [*OPERATIONS, "div"])
def test_table(operation, p):
  rows = list(zip(*modular.table(operation, p), strict=True))
  assert [(x, y) for x, y, _ in rows] == [(x, y) for x in range(p) for y in range(1, p)]
  for x, y, answer in rows:
    assert 0 <= answer < p
    if operation == "div":
      assert answer * y % p == x
    else:
      assert answer == OPERATIONS[operation](int(x), int(y), p)


def test_the_reference_has_9312_rows_in_batches_of_512_and_one_of_48():
  assert len(modular.table("mul", 97)[0]) == 9_312
  assert modular.train_count(modular.Settings()) == 4_656 == 9 * 512 + 48


def test_zero_may_be_included():
  x, y, answer = modular.table("mul", 5, include_zero=True)
  assert len(x) == 25
  assert np.all(answer == x * y % 5)


def test_split():
  rows = modular.table("sub", 11)
  split = split_rows(jax.random.key(0), rows, 40)
  parts = [set(zip(*map(np.ndarray.tolist, map(np.asarray, p)), strict=True)) for p in split]
  assert (len(parts[0]), len(parts[1])) == (40, 70)
  assert not parts[0] & parts[1]
  assert parts[0] | parts[1] == set(zip(*(a.tolist() for a in rows), strict=True))
  again = split_rows(jax.random.key(1), rows, 40)
  assert np.any(np.asarray(again[0][0]) != np.asarray(split[0][0]))


@pytest.mark.parametrize(
  ("given", "flag"),
  [
    ({"p": 9, "operation": "div"}, "--p"),
    ({"p": 1}, "--p"),
    ({"p": 10**9}, "--p"),
    ({"train_fraction": 0.0}, "--train-fraction"),
    ({"train_fraction": 1.0}, "--train-fraction"),
    ({"train_fraction": float("nan")}, "--train-fraction"),
    ({"train_fraction": 1e-6}, "--train-fraction"),
    ({"batch_size": 5_000}, "4,656"),
    ({"batch_size": 0}, "--batch-size"),
    ({"p": 7}, "--batch-size"),
    ({"operation": "div", "include_zero": True}, "--include-zero"),
    ({"width": 130}, "--heads"),
    ({"operands": "float16"}, "--operands"),
  ],
)
def test_refused(given, flag):
  with pytest.raises(UsageError, match=flag):
    settings.make("modular", **given)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_composite_modulus_is_fine_without_division(operation):
  settings.make("modular", operation=operation, p=10, batch_size=16)
