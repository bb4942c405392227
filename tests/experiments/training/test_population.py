"""Members side by side: each is what it is alone, on one device or on a mesh of them."""

import re
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.runs import plan, settings
from experiments.training import devices
from experiments.training.population import Population, batched
from experiments.training.train import Train
from tests.experiments.tools import perceptron
from tests.helpers import copies_and_scatters, needs_devices

MEMBERS = 8
# 21 of 42 pairs: an epoch of three steps, the last one partial.
SMALL = {"p": 7, "batch_size": 8, "width": 16, "heads": 2, "layers": 1, "learning_rate": 1e-2}
METHODS = {
  "ema": {"method": "grokfast_ema"},
  "ma": {"method": "grokfast_ma", "window_size": 4},
}


def resolved(seed, method):
  operation = ["add", "mul", "sub", "div"][seed % 4]
  own = {"lamb": 1.0 + seed / 4, **SMALL, **METHODS[method]}
  return settings.make("modular", seed=seed, operation=operation, **own)


def trained_by(chosen):
  net = perceptron()
  return Train(net.init, net.score, plan.train_of(chosen).make_optimizer, 8)


@pytest.fixture(scope="module", params=METHODS)
def members(request):
  """Training functions, and what members begin with that differ in seed, operation and λ."""
  chosen = [resolved(seed, request.param) for seed in range(MEMBERS)]
  return trained_by(chosen[0]), [plan.init_of(one)[0] for one in chosen]


def populate(train, inits, **kwargs):
  population = Population(train, inits[0], epochs=1, width=len(inits), **kwargs)
  population.begin(inits)
  return population


def rows(population, evaluations=4):
  """The rows of so many evaluations, for each place."""
  tables = [population.rows(jax.device_get(population.advance())) for _ in range(evaluations)]
  return [
    {name: np.stack([table[i][name] for table in tables]) for name in tables[0][i]}
    for i in range(population.width)
  ]


@pytest.fixture(scope="module")
def alone(members):
  train, inits = members
  population = populate(train, inits[:1])
  tables = [rows(population)[0]]
  for init in inits[1:]:
    population.begin([init])
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
  train, inits = members
  again = rows(populate(train, [inits[5]]))[0]
  assert all(np.array_equal(again[name], alone[5][name]) for name in again)


def test_side_by_side(members, alone):
  train, inits = members
  assert_close(rows(populate(train, inits)), alone)


def test_a_wave_that_is_not_full(members, alone):
  """Empty places are filled, and what they compute concerns nobody."""
  train, inits = members
  population = populate(train, inits[:3])
  population.begin(inits[6:8])
  assert_close(rows(population)[:2], alone[6:8])


@pytest.mark.parametrize("width", [1, 3])
def test_restored(width, members, alone):
  """From the arrays of a state, as a checkpoint keeps them."""
  train, inits = members
  population = populate(train, inits[:width])
  before = rows(population, 2)
  arrays = devices.gathered(population.state)
  assert all(isinstance(array, np.ndarray) for array in arrays)
  other = populate(train, inits[:width])
  other.restore(arrays)
  after = rows(other, 2)
  whole = [
    {name: np.concatenate([one[name], two[name]]) for name in one}
    for one, two in zip(before, after, strict=True)
  ]
  assert_close(whole, alone[:width])
  with pytest.raises(ValueError, match="another program"):
    other.restore(arrays[1:])


def test_data_that_all_share_is_held_once(members, alone):
  train, inits = members
  shared = [init._replace(split=inits[0].split) for init in inits[:4]]
  population = populate(train, shared, same_split=True)
  table = rows(population)
  assert_close(table[:1], alone[:1])
  population.begin(shared)
  assert_close(rows(population), table)  # it was not given away
  alone_ = populate(train, [shared[3]])
  assert_close(table[3:], rows(alone_))


def test_one_that_diverges_leaves_the_others_untouched(members, alone):
  train, inits = members
  bad = inits[1]._replace(numbers={**inits[1].numbers, "learning_rate": np.float32(np.inf)})
  tables = rows(populate(train, [inits[0], bad, inits[2]]))
  assert not np.isfinite(tables[1]["train_loss"]).all()
  assert_close([tables[0], tables[2]], [alone[0], alone[2]])


@needs_devices(8)
@pytest.mark.parametrize("data", [1, 2])
def test_on_a_mesh(data, members, alone):
  train, inits = members
  population = populate(train, inits, mesh=devices.mesh_of(jax.devices(), data))
  assert_close(rows(population), alone)
  kernel = jax.tree.leaves(population.state.params)[0]
  assert len(kernel.sharding.device_set) == 8
  assert kernel.addressable_shards[0].data.shape[0] == data, "members on a device"
  arrays = devices.gathered(population.state)
  population.restore(arrays)
  assert all(
    np.array_equal(a, b) for a, b in zip(arrays, devices.gathered(population.state), strict=True)
  )


def collectives(text):
  names = "all-gather|all-reduce|all-to-all|collective-permute|reduce-scatter"
  return re.findall(rf" ({names})(?:-start)?\(", text)


@needs_devices(8)
@pytest.mark.usefixtures("fused_as_for_users")
def test_members_on_a_mesh_do_not_talk(members):
  """But for a row, a gather a column, which all hosts want to read."""
  train, inits = members
  population = populate(train, inits, mesh=devices.mesh_of(jax.devices()))
  columns = len(population.advance())
  assert collectives(population.program.as_text()) == ["all-gather"] * columns


@pytest.fixture(scope="module")
def with_rings(fused_as_for_users):
  chosen = [resolved(seed, "ma") for seed in range(3)]
  return populate(trained_by(chosen[0]), [plan.init_of(one)[0] for one in chosen])


def test_the_ring_is_written_in_place(with_rings):
  """No scatter into a ring and no copy of one."""
  rings = {ring.shape for ring in jax.tree.leaves(with_rings.state.opt_state[0].window)}
  assert rings == {(3, 4, 2, 7, 16), (3, 4, 16, 7)}
  for shape in rings:
    assert copies_and_scatters(with_rings.program.as_text(), shape) == []


def test_what_members_share_is_the_ring_s_index_alone(with_rings):
  own = batched(with_rings.state)
  shared = [
    jax.tree_util.keystr(path)
    for path, is_own in jax.tree_util.tree_leaves_with_path(own)
    if not is_own
  ]
  assert [path.rpartition(".")[2] for path in shared] == ["slot"]


class Foreign(NamedTuple):
  """A state with a field of that name that is each member's own."""

  slot: jax.Array
  inner: Any


class Clocked(NamedTuple):
  """A state that says which of its fields all members share."""

  ticks: jax.Array
  inner: Any

  unbatched_fields = ("ticks",)


def test_a_state_says_itself_what_members_share():
  """Whatever its fields are called, and however deep it lies."""
  one = jnp.zeros(())
  state = {"a": Foreign(one, Clocked(one, [one, Clocked(one, one)])), "b": one}
  assert batched(state) == {
    "a": Foreign(True, Clocked(False, [True, Clocked(False, True)])),
    "b": True,
  }
