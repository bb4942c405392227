"""Modular arithmetic: the table of pairs, the split, and what is refused."""

import functools

import jax
import numpy as np
import optax
import pytest
from flax import nnx

from experiments.fields import UsageError
from experiments.runs import plan, settings
from experiments.tasks import TASKS, modular
from experiments.tasks.task import split_rows

OPERATIONS = {
  "add": lambda x, y, p: (x + y) % p,
  "sub": lambda x, y, p: (x - y) % p,
  "mul": lambda x, y, p: x * y % p,
  # The polynomials as Horner's rule or a product has them.
  "x2+y2": lambda x, y, p: ((x + y) ** 2 - 2 * x * y) % p,
  "x2+xy+y2": lambda x, y, p: ((x + y) ** 2 - x * y) % p,
  "x2+xy+y2+x": lambda x, y, p: (x * (x + y + 1) + y * y) % p,
  "x3+xy": lambda x, y, p: x * (x * x + y) % p,
  "x3+xy2+y": lambda x, y, p: (x * (x * x + y * y) + y) % p,
}
DIVIDING = ("div", "div-or-sub")


def test_every_operation_is_here():
  assert {*OPERATIONS, *DIVIDING} == set(modular.OPERATIONS)


@pytest.mark.parametrize("p", [5, 13, 97])
@pytest.mark.parametrize("operation", [*OPERATIONS, *DIVIDING])
def test_table(operation, p):
  rows = list(zip(*modular.table(operation, p), strict=True))
  assert [(x, y) for x, y, _ in rows] == [(x, y) for x in range(p) for y in range(1, p)]
  for x, y, answer in rows:
    assert 0 <= answer < p
    if operation == "div" or (operation == "div-or-sub" and y % 2):
      assert answer * y % p == x
    elif operation == "div-or-sub":
      assert answer == int(x - y) % p
    else:
      assert answer == OPERATIONS[operation](int(x), int(y), p)


def test_the_reference_has_9312_rows_in_batches_of_512_and_one_of_48():
  assert len(modular.table("mul", 97)[0]) == 9_312
  assert modular.Settings().training == 4_656 == 9 * 512 + 48


@pytest.mark.parametrize("seed", [0, 1])
def test_the_first_gradient_of_48_rows_is_more_than_twice_as_long(seed):
  """Mostly noise, which alone would make it √(512 / 48) = 3.3 times as long."""
  chosen = settings.make("modular", operation="sub", seed=seed)
  member, _ = plan.init_of(chosen)
  trained = plan.train_of(chosen)
  params = trained.init_params(member.key)

  @functools.partial(jax.jit, static_argnums=(0, 1))
  def length(begin, end):
    rows = jax.tree.map(lambda column: column[begin:end], member.split.train)
    return optax.tree.norm(jax.grad(lambda p: trained.score(p, rows)["loss"].mean())(params))

  long, short = length(0, 512), length(4_608, 4_656)
  assert 2 < short / long < 3.5


@pytest.mark.parametrize("model", ["transformer", "quadratic"])
def test_initial_parameters_are_the_paper_s_times_a_factor(model):
  def drawn(**given):
    own = settings.make("modular", p=7, model=model, batch_size=16, **given).of_task
    return jax.tree.map(np.asarray, TASKS["modular"].model(own).init(jax.random.key(3)))

  paper, small = drawn(), drawn(init_scale=0.25)
  jax.tree.map(np.testing.assert_array_equal, drawn(init_scale=1.0), paper)
  jax.tree.map(lambda p, s: np.testing.assert_array_equal(p / 4, s), paper, small)
  if model == "transformer":
    embedding = nnx.to_pure_dict(paper)["tokens"]["embedding"]
    assert embedding.std() == pytest.approx(1, rel=0.05), "the paper's embeddings are N(0, 1)"


@pytest.mark.parametrize(
  ("p", "fraction", "training", "held_out"),
  [(97, 0.3, 2_793, 6_519), (113, 0.3, 3_796, 8_860), (113, 0.95, 12_023, 633)],
)
def test_any_fraction_of_any_modulus(p, fraction, training, held_out):
  own = settings.make("modular", p=p, train_fraction=fraction).of_task
  parts = TASKS["modular"].data(own, jax.random.key(0))
  assert (len(parts.train[0]), len(parts.validation[0])) == (training, held_out)
  x, y, answer = np.concatenate([parts.train, parts.validation], axis=1).astype(int)
  assert len(set(zip(x.tolist(), y.tolist(), strict=True))) == p * (p - 1)
  assert np.all(answer == x * y % p)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_zero_may_be_included(operation):
  x, y, answer = modular.table(operation, 5, include_zero=True)
  assert len(x) == 25
  assert np.all(answer == OPERATIONS[operation](x.astype(int), y.astype(int), 5))


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
    ({"p": 9, "operation": "div-or-sub"}, "--p"),
    ({"operation": "div-or-sub", "include_zero": True}, "--include-zero"),
    ({"operation": "x4"}, r"--operation must be one of .*x3\+xy2\+y"),
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
