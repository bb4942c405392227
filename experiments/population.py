"""Members of one compiled program: alone, or side by side on a device or a mesh of devices.

A member is a run: its own key, data and hyperparameters. Side by side, each has a place
on the first axis of every array, and a place whose member has ended is given to another.
A ring's slot is the one number that they share: were it a member's own, each write to
the ring would be a scatter, and copy it.
"""

import functools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from experiments.training import Evaluations, Hyperparameters, Split, Train, TrainState

RUNS, DATA = "runs", "data"  # the axes of a mesh
CLOCKS = ("slot",)  # fields of optimizer states that count time for all members


class Start(NamedTuple):
  """What a member begins with."""

  key: jax.Array
  split: Split
  numbers: Hyperparameters


class Places(NamedTuple):
  """What a program works on."""

  state: TrainState
  split: Split
  numbers: Hyperparameters


class Population(Protocol):
  """Members of one program, each in its place.

  Attributes:
    state: what changes from step to step, of all of them.
    program: compiled.
  """

  state: TrainState
  program: jax.stages.Compiled

  def put(self, place: int, start: Start) -> None:
    """Gives a place to another member, at its beginning."""

  def advance(self, evaluations: int, epochs: int, epoch_steps: int) -> list[Evaluations]:
    """Trains all members, as `Train.run` says; a table for each place."""
    ...

  def alone(self, place: int) -> "Population":
    """The member in a place, as a population of its own."""
    ...


class Alone:
  """One member: nothing is vectorized."""

  def __init__(self, train: Train, start: Start, *, room: int):
    self._rest = start.split, start.numbers
    first = jax.jit(train.start).trace(start.key, start.numbers)
    chunk = jax.jit(functools.partial(train.run, room=room), donate_argnums=0)
    with ThreadPoolExecutor(1) as pool:  # one is compiled while the other is traced
      compiled = pool.submit(lambda: first.lower().compile())
      self.program = chunk.lower(first.out_info, *self._rest, 1, 1, 1).compile()
      self._start = compiled.result()
    self.state = self._start(start.key, start.numbers)

  def put(self, place: int, start: Start) -> None:
    del place
    del self.state  # before there is another one
    self._rest = start.split, start.numbers
    self.state = self._start(start.key, start.numbers)

  def advance(self, evaluations: int, epochs: int, epoch_steps: int) -> list[Evaluations]:
    self.state, table = self.program(self.state, *self._rest, evaluations, epochs, epoch_steps)
    return [jax.device_get(table)]

  def alone(self, place: int) -> Population:
    del place
    return self

  def become(self, places: Places) -> "Alone":
    """The same program with another member, where that one is."""
    self.state, *rest = places
    self._rest = tuple(rest)
    return self


def mesh_of(devices: Sequence[Any], data: int = 1) -> Mesh:
  """A mesh whose first axis is over members; `data` devices share each member's batch."""
  return Mesh(np.asarray(devices).reshape(-1, data), (RUNS, DATA))


def is_clock(path: tuple[Any, ...]) -> bool:
  """Whether a leaf of the state is shared by all members."""
  return bool(path) and getattr(path[-1], "name", None) in CLOCKS


def _stacked(*trees: Any) -> Any:
  return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


def _spread(tree: Any, shardings: Any) -> Any:
  """A tree on the devices of all hosts, each of which has it whole. Keys go as their data."""

  def leaf(array, sharding):
    if not jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
      return jax.device_put(np.asarray(array), sharding)
    data = jax.device_put(np.asarray(jax.random.key_data(array)), sharding)
    return jax.random.wrap_key_data(data, impl=jax.random.key_impl(array))

  return jax.tree.map(leaf, tree, shardings)


def _with(train: Train, own: Places, state: TrainState, rest: Any, place: Any, start: Start):
  """All places, one of them with another member."""
  new = Places(train.start(start.key, start.numbers), start.split, start.numbers)

  def put(own, all_, one):
    return jax.lax.dynamic_update_index_in_dim(all_, one, place, 0) if own else all_

  return jax.tree.map(put, own, Places(state, *rest), new)


def _of(own: Places, places: Places, place: Any) -> Places:
  """What is in one place."""

  def take(own, all_):
    return jax.lax.dynamic_index_in_dim(all_, place, 0, keepdims=False) if own else all_

  return jax.tree.map(take, own, places)


class SideBySide:
  """Several members on the first axis of every array.

  Args:
    train: the training functions.
    starts: what the member in each place begins with.
    room: evaluations in a chunk, at most.
    mesh: from `mesh_of`; its first axis divides the places. None is one device.
    same_split: whether all members have the same data, which is then held once.
  """

  def __init__(
    self,
    train: Train,
    starts: Sequence[Start],
    *,
    room: int,
    mesh: Mesh | None = None,
    same_split: bool = False,
  ):
    self._room, self._train, self._count = room, train, len(starts)
    keys, splits, numbers = zip(*starts, strict=True)
    key, numbers = jnp.stack(keys), _stacked(*numbers)
    split = splits[0] if same_split else _stacked(*splits)

    # Which leaves are a member's own; the others all have in common.
    state = jax.eval_shape(train.start, starts[0].key, starts[0].numbers)
    own = Places(
      jax.tree_util.tree_map_with_path(lambda path, _: not is_clock(path), state),
      jax.tree.map(lambda _: not same_split, split),
      jax.tree.map(lambda _: True, numbers),
    )
    self._own = own
    axes = jax.tree.map(lambda own: 0 if own else None, own)

    def sharding(own):
      return None if mesh is None else NamedSharding(mesh, PartitionSpec(*[RUNS] * own))

    shardings = jax.tree.map(sharding, own)
    if mesh is not None:
      key, split, numbers = _spread((key, split, numbers), (sharding(True), *shardings[1:]))
    self._everywhere = sharding(False)

    start = jax.vmap(train.start, out_axes=axes.state)
    state = jax.jit(start, out_shardings=shardings.state)(key, numbers)
    self.state: TrainState = state
    self._rest = split, numbers
    # A split that all share is the caller's too: it is not given away.
    self._put = jax.jit(
      functools.partial(_with, train, own),
      donate_argnums=(0,) if same_split else (0, 1),
      out_shardings=shardings,
    )
    self._take = jax.jit(functools.partial(_of, own))

    batch_sharding = None
    if mesh is not None and mesh.shape[DATA] > 1:
      batch_sharding = NamedSharding(mesh, PartitionSpec(DATA))
    chunk = jax.vmap(
      functools.partial(train.run, room=room, batch_sharding=batch_sharding),
      in_axes=(*axes, None, None, None),
      out_axes=(axes.state, 0),
      spmd_axis_name=None if mesh is None else RUNS,
    )
    chunk = jax.jit(chunk, donate_argnums=0, out_shardings=(shardings.state, sharding(False)))
    self.program = chunk.lower(state, split, numbers, 1, 1, 1).compile()

  def put(self, place: int, start: Start) -> None:
    if self._everywhere is not None:
      start = _spread(start, jax.tree.map(lambda _: self._everywhere, start))
    self.state, *rest = self._put(self.state, self._rest, place, start)
    self._rest = tuple(rest)

  def advance(self, evaluations: int, epochs: int, epoch_steps: int) -> list[Evaluations]:
    self.state, table = self.program(self.state, *self._rest, evaluations, epochs, epoch_steps)
    table = jax.device_get(table)
    return [{name: rows[i] for name, rows in table.items()} for i in range(self._count)]

  @functools.cached_property
  def _one(self) -> Alone:
    state, split, numbers = self._member(0)
    return Alone(self._train, Start(state.key, split, numbers), room=self._room)

  def _member(self, place: int) -> Places:
    return self._take(Places(self.state, *self._rest), place)

  def alone(self, place: int) -> Population:
    return self._one.become(self._member(place))


def populate(
  train: Train,
  starts: Sequence[Start],
  *,
  room: int,
  mesh: Mesh | None = None,
  same_split: bool = False,
) -> Population:
  """A population as its members and devices want it: one on one device needs no axis."""
  if len(starts) == 1 and mesh is None:
    return Alone(train, starts[0], room=room)
  return SideBySide(train, starts, room=room, mesh=mesh, same_split=same_split)
