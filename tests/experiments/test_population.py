"""Members side by side: each is what it is alone, on one device or on a mesh of them."""

import functools
import re

import jax
import numpy as np
import pytest

from experiments import methods, modular
from experiments.population import SideBySide, is_clock, mesh_of, populate
from experiments.training import make_train
from tests.experiments.tools import perceptron
from tests.helpers import copies_and_scatters

MEMBERS = 8
ROOM = 3
EXPERIMENT = modular.EXPERIMENT
SMALL = {"p": 7, "batch_size": 8}  # 21 of 42 pairs: an epoch of three steps, the last one partial
METHODS = {
  "ema": {"method": "grokfast_ema"},
  "ma": {"method": "grokfast_ma", "window_size": 4},
}


def resolved(seed, method):
  operation = ["add", "mul", "sub", "div"][seed % 4]
  values = {"lamb": 1.0 + seed / 4, "learning_rate": 1e-2, **SMALL, **METHODS[method]}
  return EXPERIMENT.resolve(modular.Settings(seed=seed, operation=operation, **values))


def trained_by(settings):
  return make_train(perceptron(), functools.partial(methods.make_optimizer, settings), 8)


@pytest.fixture(scope="module", params=METHODS)
def members(request):
  """Training functions, and what members begin with that differ in seed, operation and λ."""
  settings = [resolved(seed, request.param) for seed in range(MEMBERS)]
  return trained_by(settings[0]), [EXPERIMENT.start(s)[0] for s in settings]


def rows(population, chunks=2):
  """Two evaluations of one epoch, so many times."""
  tables = [population.advance(2, 1, 3) for _ in range(chunks)]
  return [
    {name: np.concatenate([t[i][name][:2] for t in tables]) for name in tables[0][0]}
    for i in range(len(tables[0]))
  ]


@pytest.fixture(scope="module")
def alone(members):
  train, starts = members
  population = populate(train, starts[:1], room=ROOM)
  tables = [rows(population)[0]]
  for start in starts[1:]:
    population.put(0, start)
    tables += rows(population)
  return tables


def assert_close(tables, expected):
  for table, other in zip(tables, expected, strict=True):
    assert table.keys() == other.keys()
    for name in table:
      np.testing.assert_allclose(table[name], other[name], rtol=2e-4, atol=2e-4, err_msg=name)


def test_members_differ(alone):
  losses = [tuple(table["train_loss"]) for table in alone]
  assert len(set(losses)) == MEMBERS


def test_one_after_another_is_bit_for_bit_alone(members, alone):
  """The same compiled program gives a member the same numbers whoever was there before."""
  train, starts = members
  population = populate(train, [starts[5]], room=ROOM)
  again = rows(population)[0]
  assert all(np.array_equal(again[name], alone[5][name]) for name in again)


def test_side_by_side(members, alone):
  train, starts = members
  assert_close(rows(SideBySide(train, starts, room=ROOM)), alone)


def test_a_place_taken_anew(members, alone):
  """A member that begins when the others are under way, with their ring's slot, is as alone."""
  train, starts = members
  population = SideBySide(train, starts[:3], room=ROOM)
  before = rows(population, 1)
  population.put(1, starts[6])
  after = rows(population)
  assert_close([after[1]], [alone[6]])
  assert_close(
    [{name: np.concatenate([before[2][name], after[2][name]])[:4] for name in before[2]}],
    [alone[2]],
  )


def test_a_split_that_all_share_is_not_given_away(members, alone):
  train, starts = members
  shared = [start._replace(split=starts[0].split) for start in starts[:4]]
  population = SideBySide(train, shared[:3], room=ROOM, same_split=True)
  for place in (1, 2):
    rows(population, 1)
    population.put(place, shared[3])
  population.put(0, shared[0])
  assert_close(rows(population)[:1], alone[:1])


def test_a_member_out_of_its_place_goes_on_alone(members, alone):
  train, starts = members
  population = SideBySide(train, starts[:3], room=ROOM)
  before = rows(population, 1)[2]
  one = population.alone(2)
  after = [one.advance(1, 1, 3)[0] for _ in range(2)]
  table = {n: np.concatenate([before[n], *(a[n][:1] for a in after)]) for n in before}
  assert_close([table], [alone[2]])


def test_one_that_diverges_leaves_the_others_untouched(members, alone):
  train, starts = members
  bad = starts[1]._replace(numbers={**starts[1].numbers, "learning_rate": np.float32(np.inf)})
  tables = rows(SideBySide(train, [starts[0], bad, starts[2]], room=ROOM))
  assert not np.isfinite(tables[1]["train_loss"]).all()
  assert_close([tables[0], tables[2]], [alone[0], alone[2]])


@pytest.mark.parametrize("data", [1, 2])
def test_on_a_mesh(data, members, alone):
  train, starts = members
  population = SideBySide(train, starts, room=ROOM, mesh=mesh_of(jax.devices(), data))
  assert_close(rows(population), alone)
  kernel = jax.tree.leaves(population.state.params)[0]
  assert len(kernel.sharding.device_set) == 8
  assert kernel.addressable_shards[0].data.shape[0] == data, "members on a device"


def collectives(text):
  names = "all-gather|all-reduce|all-to-all|collective-permute|reduce-scatter"
  return re.findall(rf" ({names})(?:-start)?\(", text)


def test_members_on_a_mesh_do_not_talk(members):
  """But for the table, a gather a column, which all hosts want to read."""
  train, starts = members
  population = SideBySide(train, starts, room=ROOM, mesh=mesh_of(jax.devices()))
  columns = len(population.advance(1, 1, 3)[0])
  assert collectives(population.program.as_text()) == ["all-gather"] * columns


@pytest.fixture(scope="module")
def with_rings():
  settings = [resolved(seed, "ma") for seed in range(3)]
  starts = [EXPERIMENT.start(s)[0] for s in settings]
  return SideBySide(trained_by(settings[0]), starts, room=ROOM)


def test_the_ring_is_written_in_place(with_rings):
  """No scatter into a ring and no copy of one."""
  rings = {ring.shape for ring in jax.tree.leaves(with_rings.state.opt_state[0].window)}
  assert rings == {(3, 4, 2, 7, 16), (3, 4, 16, 7)}
  for shape in rings:
    assert copies_and_scatters(with_rings.program.as_text(), shape) == []


def test_what_members_share_is_the_clock_alone(with_rings):
  paths = [path for path, _ in jax.tree_util.tree_leaves_with_path(with_rings.state)]
  (shared,) = [jax.tree_util.keystr(path) for path in paths if is_clock(path)]
  assert shared.endswith(".slot")
