"""Members of one compiled program: one alone, or several on the first axis of every array.

A member is a run: its own key, data and hyperparameters. Members begin together. An optimizer
state may say that some of its fields are not a member's own, as a ring's index: were that one
batched, each write to the ring would be a scatter, and copy it.
"""

import functools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from experiments.training import devices
from experiments.training.devices import DATA, RUNS
from experiments.training.train import Hyperparameters, Split, Table, Train


class MemberInit(NamedTuple):
  """What a member begins with."""

  key: jax.Array
  split: Split
  numbers: Hyperparameters


def batched(state: Any) -> Any:
  """For each leaf of a state whether it gets a member's axis under `vmap`.

  Those do not that a state names in `unbatched_fields`, as the filters with a ring do.
  """

  def node(node):
    shared = getattr(node, "unbatched_fields", None)
    if shared is None:
      return True
    own = {
      name: jax.tree.map(lambda _: False, child) if name in shared else batched(child)
      for name, child in node._asdict().items()
    }
    return type(node)(**own)

  return jax.tree.map(node, state, is_leaf=lambda n: hasattr(n, "unbatched_fields"))


def traced_init(train: Train, member: MemberInit) -> jax.stages.Traced:
  """How a member's state is made: its shapes are known before anything is compiled."""
  return jax.jit(train.init).trace(member.key, member.numbers)


class Population:
  """Members of one program, which is compiled when this is made.

  Args:
    train: the training functions.
    like: a member, for its shapes.
    epochs: from one evaluation to the next.
    width: members side by side; one on one device has no axis.
    mesh: from `devices.mesh_of`; its first axis divides the members. None is one device.
    same_split: whether all members have the same data, which is then held once.
    start: `traced_init` of the same member, where it is at hand.

  Attributes:
    state: of all members.
    program: compiled; makes one evaluation.
  """

  def __init__(
    self,
    train: Train,
    like: MemberInit,
    *,
    epochs: int,
    width: int = 1,
    mesh: Mesh | None = None,
    same_split: bool = False,
    start: jax.stages.Traced | None = None,
  ):
    self.width, self.mesh = width, mesh
    self._alone = width == 1 and mesh is None
    start = start or traced_init(train, like)
    state = start.out_info
    own = batched(state), jax.tree.map(lambda _: not same_split, like.split)
    self._own = (*own, jax.tree.map(lambda _: True, like.numbers))
    self._same_split = same_split

    shapes = jax.tree.map(self._abstract, self._own, (state, like.split, like.numbers))
    key = self._abstract(True, like.key)
    init, run = train.init, functools.partial(train.run, evaluations=1, epochs=epochs)
    if not self._alone:
      axes = jax.tree.map(lambda own: 0 if own else None, self._own)
      if mesh is not None and mesh.shape[DATA] > 1:
        run = functools.partial(run, batch_sharding=NamedSharding(mesh, PartitionSpec(DATA)))
      init = jax.vmap(init, out_axes=axes[0])
      axis = None if mesh is None else RUNS
      run = jax.vmap(run, in_axes=axes, out_axes=(axes[0], 0), spmd_axis_name=axis)

    def evaluate(*state_and_rest):
      state, table = run(*state_and_rest)
      at = 0 if self._alone else (slice(None), 0)
      return state, jax.tree.map(lambda column: column[at], table)

    shardings = jax.tree.map(lambda shape: shape.sharding, shapes[0])
    whole = self._sharding(False)
    if not self._alone:
      first = jax.jit(init, out_shardings=None if mesh is None else shardings)
      start = first.trace(key, shapes[2])
    chunk = jax.jit(
      evaluate, donate_argnums=0, out_shardings=None if mesh is None else (shardings, whole)
    )
    with ThreadPoolExecutor(1) as pool:  # one is compiled while the other is traced
      compiled = pool.submit(lambda: start.lower().compile())
      self.program = chunk.lower(*shapes).compile()
      self._init = compiled.result()
    self._shapes = shapes
    self.state: Any = None
    self._rest: Any = None

  def begin(self, members: Sequence[MemberInit]) -> None:
    """Puts members at their beginning; empty places have the first one too."""
    keys, splits, numbers = zip(*members, *[members[0]] * (self.width - len(members)), strict=True)
    self.state = self._rest = None  # their memory is needed
    split = splits[0] if self._same_split else self._stacked(splits)
    key, split, numbers = self._stacked(keys), split, self._stacked(numbers)
    if self.mesh is not None:
      key = devices.spread(key, self._abstract(True, keys[0]))
      split, numbers = devices.spread((split, numbers), self._shapes[1:])
    self.begin_with(MemberInit(key, split, numbers))

  def begin_with(self, members: MemberInit) -> None:
    """The same of members whose trees are stacked already, as the program takes them."""
    self.state = None
    self._rest = members.split, members.numbers
    self.state = self._init(members.key, members.numbers)

  def restore(self, arrays: Sequence[np.ndarray]) -> None:
    """Puts the members where they were, by the leaves that `devices.gathered` gave of a state.

    Raises:
      ValueError: if they are of another program.
    """
    leaves, structure = jax.tree.flatten(self.state)
    here = [(a.shape, a.dtype) for a in map(devices.data_of, leaves)]
    if [(a.shape, a.dtype) for a in arrays] != here:
      raise ValueError("its checkpoint is of another program")
    self.state = None
    self.state = jax.tree.unflatten(structure, devices.spread(list(arrays), leaves))

  def advance(self) -> Table:
    """Trains up to the next evaluation; its row is returned before it is computed."""
    self.state, row = self.program(self.state, *self._rest)
    return row

  def rows(self, row: Table) -> list[dict[str, Any]]:
    """A row on the host, one for each place."""
    if self._alone:
      return [row]
    return [{name: values[i] for name, values in row.items()} for i in range(self.width)]

  def params_of(self, place: int) -> Any:
    """The parameters of the member in a place."""
    params = self.state.params
    return params if self._alone else jax.tree.map(lambda p: p[place], params)

  def _sharding(self, own: bool) -> Any:
    return self.mesh and NamedSharding(self.mesh, PartitionSpec(*[RUNS] * own))

  def _abstract(self, own: bool, leaf: Any) -> jax.ShapeDtypeStruct:
    shape = jnp.shape(leaf) if self._alone or not own else (self.width, *jnp.shape(leaf))
    return jax.ShapeDtypeStruct(shape, leaf.dtype, sharding=self._sharding(own))

  def _stacked(self, trees: Sequence[Any]) -> Any:
    """Members' trees as the program takes them."""
    return trees[0] if self._alone else jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)
