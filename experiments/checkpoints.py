"""What a killed run goes on from: its arrays and its place in the log, the last two kept."""

import contextlib
import functools
import gc
import logging
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax

from experiments import hosts
from experiments.files import could_not_write

NAME = "checkpoints"
KEPT = 2
LATE_SECONDS = 3.0  # in which all that is under way comes to its end
LOUD = ("absl", "asyncio")  # who write pages to stderr for what comes here as an error


class Checkpoints:
  """The checkpoints in a run's folder. They are written behind the training, whole or not at all.

  Args:
    folder: of the run.
  """

  def __init__(self, folder: Path):
    self._path = folder.absolute() / NAME
    self._failed = False
    self._number = 0
    self._useless: list[int] = []
    self._levels: list[tuple[logging.Logger, int]] = []

  @functools.cached_property
  def _ocp(self) -> Any:
    """Orbax: its import takes about as long as JAX's, and few starts need it at once."""
    import orbax.checkpoint

    self._levels = [(log, log.level) for log in map(logging.getLogger, LOUD)]
    for log, _ in self._levels:  # after the import, which sets them
      log.setLevel(logging.CRITICAL + 1)
    return orbax.checkpoint

  @functools.cached_property
  def _manager(self) -> Any:
    options = self._ocp.CheckpointManagerOptions(max_to_keep=KEPT, cleanup_tmp_directories=True)
    with self._errors():
      manager = self._ocp.CheckpointManager(self._path, options=options)
      self._number = max(manager.all_steps(), default=0)
    return manager

  def __enter__(self) -> "Checkpoints":
    self._hook = sys.unraisablehook
    sys.unraisablehook = lambda error: None if _of_late(error) else self._hook(error)
    return self

  def __exit__(self, *_) -> None:
    if "_manager" in vars(self):
      with contextlib.suppress(Exception):  # whoever needs the last one has waited for it
        self._manager.close()
    if self._failed:
      time.sleep(LATE_SECONDS)
      gc.collect()
      for half in self._path.glob("*-tmp"):
        shutil.rmtree(half, ignore_errors=True)
    sys.unraisablehook = self._hook
    if not self._failed:  # else what comes late still has nobody to hear it
      for log, level in self._levels:
        log.setLevel(level)

  def save(self, arrays: Any, position: dict[str, Any]) -> None:
    """Copies the arrays and returns; the last save's errors come here.

    Args:
      arrays: a tree. None of size 0 is written, for there is nothing in it.
      position: what else is needed to go on, as JSON has it.

    Raises:
      OSError: if this or the last one could not be written; the ones before are there.
    """
    manager, args = self._manager, self._ocp.args
    self._number += 1
    items = args.Composite(
      arrays=args.StandardSave(_leaves(arrays)), position=args.JsonSave(position)
    )
    with self._errors():
      manager.save(self._number, args=items, force=True)
    if self._useless:
      self.wait()
      while self._useless:
        with contextlib.suppress(Exception):
          self._manager.delete(self._useless.pop())

  def wait(self) -> None:
    """Returns once all is on the disk."""
    with self._errors():
      self._manager.wait_until_finished()

  def positions(self) -> Iterator[tuple[int, dict[str, Any]]]:
    """Number and position of each checkpoint that can be read so far, the newest first."""
    if not hosts.any_of(self._path.exists()):  # one answer, for the manager is made by all
      return
    for number in sorted(self._manager.all_steps(), reverse=True):
      with contextlib.suppress(Exception):  # torn: whatever Orbax says to that, it is none
        items = self._ocp.args.Composite(position=self._ocp.args.JsonRestore())
        yield number, self._manager.restore(number, args=items)["position"]

  def arrays(self, number: int, like: Any) -> Any:
    """The arrays of a checkpoint.

    Args:
      number: of the checkpoint.
      like: arrays of the same shapes, dtypes and shardings.

    Raises:
      Exception: Orbax's, if they cannot be read, or are others.
    """
    abstract = jax.tree.map(self._ocp.utils.to_shape_dtype_struct, _leaves(like))
    items = self._ocp.args.Composite(arrays=self._ocp.args.StandardRestore(abstract))
    try:
      restored = iter(self._manager.restore(number, args=items)["arrays"])
    except Exception:
      self._failed = True
      raise
    return jax.tree.map(lambda leaf: next(restored) if leaf.size else leaf, like)

  def leave(self, number: int) -> None:
    """A checkpoint is of no use: it goes once there is a new one."""
    self._useless.append(number)

  @contextlib.contextmanager
  def _errors(self) -> Iterator[None]:
    try:
      yield
    except OSError as error:
      self._failed = True
      raise could_not_write(self._path, error) from None
    except Exception as error:  # TensorStore's own, with the system's somewhere in it
      self._failed = True
      code = re.search(r"os_error_code='(\d+)'", str(error))
      number = int(code[1]) if code else 0
      reason = (
        os.strerror(number) if code else (str(error).splitlines() or [type(error).__name__])[0]
      )
      raise could_not_write(self._path, OSError(number, reason)) from None


def _of_late(error: Any) -> bool:
  """Whether it is of a read or write that was under way when another had failed."""
  return error.exc_type is RuntimeError and str(error.exc_value) == "Event loop is closed"


def delete(folder: Path) -> None:
  """Removes a run's checkpoints: it is at its end."""
  shutil.rmtree(folder / NAME, ignore_errors=True)


def _leaves(tree: Any) -> list[jax.Array]:
  return [leaf for leaf in jax.tree.leaves(tree) if leaf.size]
