"""Several processes, each with devices of its own, that train one population together.

All of them run the same program. What depends on a clock or a signal they must agree on,
and one of them writes.
"""

import jax
import numpy as np
from jax.experimental import multihost_utils


def writes() -> bool:
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
