"""What will be trained: which members share a program, its data, and how many at a time."""

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh

from experiments import methods
from experiments.fields import UsageError
from experiments.runs import sweep
from experiments.runs.settings import Settings
from experiments.tasks import TASKS
from experiments.tasks.task import score
from experiments.training import devices
from experiments.training.population import MemberInit, Population, traced_init
from experiments.training.train import Split, Train

LARGEST_INTERVAL = 1_000  # steps from one evaluation to the next, for Ctrl-C waits so long
MEMORY_SHARE = 0.8  # of what is free


class Place(NamedTuple):
  """Where members train and are kept.

  Attributes:
    out: the folder; None for a new one under runs/.
    resume: whether it may hold the run.
    checkpoint_every: seconds.
    at_once: members side by side; None leaves it to the device.
    data_devices: devices that share each member's batch; the others share the members.
  """

  out: Path | None = None
  resume: bool = False
  checkpoint_every: float = 30.0
  at_once: int | None = None
  data_devices: int = 1


class Program(NamedTuple):
  """Members that share one compiled program.

  Attributes:
    open: compiles it, with places for so many members or, as memory allows, as many as it can.
    members: positions in the sweep, in the order in which they train.
    init: position -> what the member begins with.
    budget: steps of each, whole evaluations.
    interval: steps from one evaluation to the next.
    width: members side by side; at most, where memory decides.
    member_bytes: what one more member keeps.
  """

  open: Callable[[int | None], Population]
  members: Sequence[int]
  init: Callable[[int], MemberInit]
  budget: int
  interval: int
  width: int
  member_bytes: int


class Plan(NamedTuple):
  """What will be trained.

  Attributes:
    members: settings of each.
    programs: what is compiled.
    origin: of the data; empty for what is computed.
  """

  members: Sequence[Settings]
  programs: Sequence[Program]
  origin: Mapping[str, Any]


def numbers_of(settings: Settings) -> dict[str, jax.Array]:
  """The traced hyperparameters: one compiled program serves all their values."""
  numbers = settings.of_kind("number")
  return {name: jnp.float32(value) for name, value in numbers.items() if value is not None}


def train_of(settings: Settings) -> Train:
  """The training functions; of the numbers none is read."""
  task, own = TASKS[settings.task], settings.of_task
  model = task.model(own)
  for method in settings.methods:
    model = model._replace(loss=method.loss or model.loss)

  def make_optimizer(numbers):
    values = {**settings.values, **numbers}
    optimizer = values.get("optimizer")
    made = methods.make_optimizer(settings.methods, optimizer, values, settings["steps"])
    return optax.chain(task.before(own), made) if task.before else made

  return Train(
    model.init,
    functools.partial(score, model),
    make_optimizer,
    own.batch_size,
    sample=task.sample(own),
    probe=task.probe,
  )


@jax.jit
def _keys(seed: jax.typing.ArrayLike) -> tuple[jax.Array, jax.Array]:
  """Of the data and of the training. Jitted, as all that a start does, for a quick start."""
  data_key, key = jax.random.split(jax.random.key(seed))
  return data_key, key


def init_of(settings: Settings, split: Split | None = None) -> tuple[MemberInit, Mapping[str, Any]]:
  """What a run begins with, and where its data comes from.

  Args:
    settings: of the run.
    split: the data, where it is at hand.
  """
  data_key, key = _keys(np.uint32(settings["seed"]))
  origin: Mapping[str, Any] = {}
  if split is None:
    train, validation, origin = TASKS[settings.task].data(settings.of_task, data_key)
    split = Split(train, validation)
  return MemberInit(key, split, numbers_of(settings)), origin


def plan_of(members: Sequence[Settings], place: Place) -> Plan:
  """The programs of a sweep's members.

  Raises:
    UsageError: if the data is not there, evaluations are too far apart, or a member needs more
      memory than there is.
  """
  programs, origin = [], {}
  for group in sweep.grouped(members, sweep.program_of).values():
    settings = members[group[0]]
    task, train = TASKS[settings.task], train_of(settings)
    first, origin = init_of(settings)
    epoch = train.epoch_steps(first.split)
    interval = settings["eval_every"] * epoch
    if settings["eval_every"] > (most := max(1, LARGEST_INTERVAL // epoch)):
      raise UsageError(
        f"--eval-every must be at most {most:,}, for an epoch has {epoch:,} steps; "
        f"got {settings['eval_every']}."
      )
    shared = first.split if task.same_split else None
    start = traced_init(train, first)
    size = devices.bytes_of((start.out_info, () if task.same_split else first.split))
    _check_memory(size, "a member keeps")
    widest = _widest(len(group), size, place)
    make = functools.partial(
      Population,
      train,
      first,
      epochs=settings["eval_every"],
      same_split=task.same_split,
      start=start,
    )
    program = Program(
      open=functools.partial(_opened, make, widest, place),
      members=group,
      init=lambda i, shared=shared: init_of(members[i], shared)[0],
      budget=-(-settings["steps"] // interval) * interval,
      interval=interval,
      width=widest,
      member_bytes=size,
    )
    programs.append(program)
  return Plan(members, programs, origin)


def _widest(count: int, size: int, place: Place) -> int:
  """How many members may stand side by side, as far as their states tell."""
  if place.at_once:
    return min(place.at_once, count)
  if jax.default_backend() == "cpu":
    return 1  # side by side does not pay there
  share = MEMORY_SHARE * devices.free_bytes() * jax.device_count() / place.data_devices
  return devices.agreed(max(1, min(count, int(share / size))))


def _check_memory(needed: int, what: str) -> None:
  """Raises a `UsageError` for more bytes than a device has."""
  if needed > (there := devices.memory_bytes()):
    raise UsageError(
      f"{what} {needed / 1e9:,.1f} GB, and there are {there / 1e9:,.1f} GB of memory: a smaller "
      "window, batch, model or --at-once needs less."
    )


def _opened(make: Callable[..., Population], widest: int, place: Place, width: int | None) -> Any:
  """The program, compiled for so many members, or for as many as it has memory for."""
  if width is not None:
    return make(width=width, mesh=_mesh(width, place.data_devices, exact=True))
  while True:
    mesh = _mesh(widest, place.data_devices)
    shards = 1 if mesh is None else mesh.shape[devices.RUNS]
    population = make(width=-(-widest // shards) * shards, mesh=mesh)
    needed, free = devices.program_bytes(population.program), devices.free_bytes()
    if place.at_once or widest == 1:
      _check_memory(needed, "the compiled program needs")
    if place.at_once or widest == 1 or jax.default_backend() == "cpu" or needed <= free:
      return population
    widest = devices.agreed(max(1, int(widest * MEMORY_SHARE * free / needed)))


def _mesh(width: int, data: int, *, exact: bool = False) -> Mesh | None:
  """The devices for so many members; None for one device.

  Args:
    width: places.
    data: devices that share a member.
    exact: no more places than `width`, for a run that is resumed; some devices may be idle.

  Raises:
    UsageError: if several processes cannot share exactly so many places.
  """
  several = jax.process_count() > 1
  chosen = jax.devices() if several else jax.devices()[: width * data]
  if exact and width % (len(chosen) // data):
    if several:
      raise UsageError(f"{width} members cannot be shared by {len(chosen)} devices: use others.")
    shards = max(n for n in range(1, len(chosen) // data + 1) if width % n == 0)
    chosen = chosen[: shards * data]
  return None if len(chosen) == 1 else devices.mesh_of(chosen, data)
