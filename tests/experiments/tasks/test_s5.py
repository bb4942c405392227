"""S5: its table against permutation matrices, the laws of a group, and counts."""

import itertools

import jax
import numpy as np
import pytest

from experiments.fields import UsageError
from experiments.runs import settings
from experiments.tasks import TASKS, s5

# Column j of a matrix has its one where j is sent, so that a product of matrices is one of maps.
MATRICES = np.array([np.eye(5, dtype=int)[:, list(p)] for p in itertools.permutations(range(5))])
PRODUCTS = {
  "xy": lambda x, y: x @ y,
  "xyx-1": lambda x, y: x @ y @ x.swapaxes(-1, -2),  # a permutation matrix is orthogonal
  "xyx": lambda x, y: x @ y @ x,
}


def test_every_operation_is_here():
  assert PRODUCTS.keys() == s5.OPERATIONS.keys()


@pytest.mark.parametrize("operation", PRODUCTS)
def test_table(operation):
  x, y, answer = s5.table(operation)
  assert list(zip(x, y, strict=True)) == list(itertools.product(range(120), repeat=2))
  assert len(x) == 14_400
  assert np.array_equal(MATRICES[answer], PRODUCTS[operation](MATRICES[x], MATRICES[y]))


def test_a_group():
  """Each element once in each row and column, 0 changes nothing, all is undone, xy is no yx."""
  product = s5.table("xy")[2].reshape(120, 120)
  elements = np.arange(120)
  assert np.array_equal(np.sort(product, axis=0), np.tile(elements[:, None], 120))
  assert np.array_equal(np.sort(product, axis=1), np.tile(elements, (120, 1)))
  assert np.array_equal(product[0], elements)
  assert np.array_equal(product[:, 0], elements)
  assert np.array_equal(np.argwhere(product == 0)[:, 1], np.argwhere(product.T == 0)[:, 1])
  x, y, z = np.random.default_rng(0).integers(0, 120, (3, 10_000))
  assert np.array_equal(product[product[x, y], z], product[x, product[y, z]])
  assert (product == product.T).sum() == 120 * 7, "as many as elements times classes commute"


def test_conjugates_have_the_cycles_of_y():
  """So the table of xyx⁻¹ keeps the seven classes, and their sizes."""
  conjugates = s5.table("xyx-1")[2].reshape(120, 120)
  classes = {frozenset(column.tolist()) for column in conjugates.T}
  assert sorted(map(len, classes)) == [1, 10, 15, 20, 20, 24, 30]


def test_half_of_the_pairs_train_and_the_vocabulary_has_two_more():
  own = settings.make("s5").of_task
  parts = TASKS["s5"].data(own, jax.random.key(0))
  assert [len(part[0]) for part in parts[:2]] == [7_200, 7_200]
  rows = np.concatenate([parts.train, parts.validation], axis=1)
  assert np.array_equal(rows[:, np.lexsort(rows[1::-1])], s5.table("xy"))
  params = jax.eval_shape(TASKS["s5"].model(own).init, jax.random.key(0))
  assert params["head"]["kernel"].shape == (128, 122)


@pytest.mark.parametrize(
  ("given", "told"),
  [
    ({"operation": "yx"}, "xy, xyx-1, xyx"),
    ({"batch_size": 7_201}, "7,200"),
    ({"train_fraction": 1e-6}, "--train-fraction"),
    ({"heads": 3}, "--heads"),
  ],
)
def test_refused(given, told):
  with pytest.raises(UsageError, match=told):
    settings.make("s5", **given)
