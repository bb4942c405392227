"""Devices and processes: who writes, what all agree on, memory, and meshes.

Several processes, each with devices of its own, may train one population together. All of them
run the same program. What depends on a clock or a signal they must agree on, and one of them
writes.
"""

import math
import os
import resource
import sys
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh

RUNS, DATA = "runs", "data"  # the axes of a mesh


def is_writer() -> bool:
  """Whether this process writes the files."""
  return jax.process_index() == 0


def agreed(number: int) -> int:
  """What the first process says."""
  if jax.process_count() == 1:
    return number
  return int(multihost_utils.broadcast_one_to_all(np.int64(number)))


def any_of(flag: bool) -> bool:
  """Whether one of the processes says so."""
  if jax.process_count() == 1:
    return flag
  return bool(multihost_utils.process_allgather(np.asarray(flag)).any())


def data_of(array: Any) -> Any:
  """The array; of typed PRNG keys their data."""
  is_key = jax.numpy.issubdtype(array.dtype, jax.dtypes.prng_key)
  return jax.random.key_data(array) if is_key else array


def gathered(tree: Any) -> list[np.ndarray]:
  """The leaves of a tree on this host, whichever hosts have their parts; keys as their data."""

  def leaf(array):
    array = data_of(array)
    if array.is_fully_addressable:
      return array
    return multihost_utils.process_allgather(array, tiled=True)

  return jax.device_get([leaf(array) for array in jax.tree.leaves(tree)])


def spread(tree: Any, like: Any) -> Any:
  """A tree on devices, as `like` has its leaves; a key may come as its data.

  Args:
    tree: the same on all hosts.
    like: arrays, or their shapes and shardings.
  """

  def leaf(array, like):
    put = jax.device_put(np.asarray(data_of(array)), like.sharding)
    is_key = jax.numpy.issubdtype(like.dtype, jax.dtypes.prng_key)
    return jax.random.wrap_key_data(put) if is_key else put

  return jax.tree.map(leaf, tree, like)


def bytes_of(tree: Any) -> int:
  """Bytes of all arrays, or of their shapes."""
  return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def program_bytes(program: jax.stages.Compiled) -> int:
  """What a compiled program needs on each device: arguments, results and temporary arrays."""
  if (a := program.memory_analysis()) is None:
    return 0
  arrays = a.argument_size_in_bytes + a.output_size_in_bytes - a.alias_size_in_bytes
  return arrays + a.temp_size_in_bytes


def _stats() -> dict[str, int]:
  return jax.local_devices()[0].memory_stats() or {}


def memory_bytes() -> int:
  """All memory of a device, or of the machine where the device uses the machine's."""
  return _stats().get("bytes_limit") or os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def free_bytes() -> int:
  """Memory that can be had now: of a device, or of the machine where the device uses its."""
  stats = _stats()
  if "bytes_limit" in stats:
    return stats["bytes_limit"] - stats["bytes_in_use"]
  return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def peak_bytes() -> int:
  """The most memory so far: of this process's first device, or of the process on a processor."""
  unit = 1 if sys.platform == "darwin" else 1024
  peak = unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
  return _stats().get("peak_bytes_in_use", peak)


def mesh_of(devices: Sequence[Any], data: int = 1) -> Mesh:
  """A mesh whose first axis is over members; `data` devices share each member's batch."""
  return Mesh(np.asarray(devices).reshape(-1, data), (RUNS, DATA))
