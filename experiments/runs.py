"""A run's folder, log, progress and end.

The folder holds `settings.json`, `environment.json`, `metrics.jsonl` (one line for
each evaluation, flushed), and at the end `summary.json`, `parameters.npz` and the
pictures. Nothing that was in a folder before is ever overwritten.
"""

import contextlib
import dataclasses
import json
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np

from experiments import cli, figures, summary
from experiments.cli import UsageError
from experiments.environment import environment
from experiments.files import could_not_write, new_file, write_json
from experiments.progress import Progress, stop_requests
from experiments.training import Evaluations, Split, Train, count, steps_per_epoch

CHUNK_STEPS = 100  # at most, between two looks at the metrics
CHUNK_SECONDS = 2.0  # if an evaluation does not take longer
LARGEST_INTERVAL = 1_000  # steps from one evaluation to the next, for Ctrl-C waits so long


@dataclasses.dataclass(frozen=True)
class RunSettings:
  """How long, with which seed, and where to."""

  seed: int = 0
  """of the initial parameters, the split and the batches"""
  steps: Annotated[int | None, cli.optional("INT", "the method's own")] = None
  """the budget"""
  stop_when_held: Annotated[int | None, cli.optional("INT", "never")] = None
  """end early once validation accuracy has stayed at the goal or above for so many steps"""
  eval_every: Annotated[int | None, cli.optional("INT", "the experiment's own")] = None
  """epochs between two evaluations"""
  out: Annotated[Path | None, cli.optional("PATH", "a new one under runs/")] = None
  """a folder for the results"""


def check(settings: RunSettings) -> None:
  """Raises a `UsageError` for a setting out of its range."""
  if not 0 <= settings.seed < 2**32:
    raise UsageError(f"--seed must be from 0 to 2**32 - 1; got {settings.seed}.")
  if settings.steps is None or not 1 <= settings.steps < 2**31:
    raise UsageError(f"--steps must be from 1 to 2**31 - 1; got {settings.steps}.")
  if settings.stop_when_held is not None and settings.stop_when_held < 0:
    raise UsageError(f"--stop-when-held must be at least 0; got {settings.stop_when_held}.")
  if settings.eval_every is None or not 1 <= settings.eval_every < 2**31:
    raise UsageError(f"--eval-every must be from 1 to 2**31 - 1; got {settings.eval_every}.")


def _rounded(value: float) -> float:
  """Seven digits, which is all that a float32 has."""
  return float(f"{value:.7g}") if isinstance(value, float) else value


def _records(table: Evaluations, rows: int, seconds: float) -> list[dict[str, Any]]:
  """The first rows as plain numbers; what is not finite is None, as JSON has it."""
  names = ["step", *(name for name in table if name != "step")]
  columns = {name: np.asarray(table[name])[:rows] for name in names}
  records = []
  for i in range(rows):
    row = {name: column[i].item() for name, column in columns.items()}
    row = {n: _rounded(v) if math.isfinite(v) else None for n, v in row.items()}
    records.append({**row, "seconds": round(seconds, 3)})
  return records


def parameters(params: Any) -> dict[str, Any]:
  """A tree's arrays by their path, as `parameters.npz` holds them."""
  flat, _ = jax.tree_util.tree_flatten_with_path(params)
  return {
    jax.tree_util.keystr(path, simple=True, separator="/").removesuffix("/value"): np.asarray(a)
    for path, a in flat
  }


def check_interval(settings: RunSettings, epoch: int) -> None:
  """Raises a `UsageError` for evaluations too far apart; `epoch` is its steps."""
  assert settings.eval_every is not None
  most = max(1, LARGEST_INTERVAL // epoch)
  if settings.eval_every > most:
    raise UsageError(
      f"--eval-every must be at most {most:,}, for an epoch has {epoch:,} steps; "
      f"got {settings.eval_every}."
    )


class Log:
  """`metrics.jsonl`, append-only: whole lines, flushed."""

  def __init__(self, path: Path):
    self._path = path

  def __enter__(self) -> "Log":
    self._file = self._path.open("x")
    return self

  def __exit__(self, *_) -> None:
    with contextlib.suppress(OSError):  # all was flushed; a failing disk has said so
      self._file.close()

  def append(self, records: Sequence[dict[str, Any]]) -> None:
    try:
      self._file.writelines(json.dumps(record) + "\n" for record in records)
      self._file.flush()
    except OSError as error:
      raise could_not_write(self._path, error) from None


def _piece(left: int, interval: int, epoch: int, room: int) -> tuple[int, int, int]:
  """The next chunk of the steps that are left, as (evaluations, epochs, epoch_steps).

  >>> [_piece(left, interval=10, epoch=5, room=2) for left in (37, 17, 7, 2)]
  [(2, 2, 5), (1, 2, 5), (1, 1, 5), (1, 1, 2)]
  """
  if left >= interval:
    return min(room, left // interval), interval // epoch, epoch
  if left >= epoch:
    return 1, left // epoch, epoch
  return 1, 1, left


def execute(
  *,
  train: Train,
  split: Split,
  numbers: dict[str, Any],
  key: jax.Array,
  settings: RunSettings,
  batch_size: int,
  folder: Path,
  thresholds: Sequence[float] = (),
  data: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
  """Trains, logs and writes the end of a run.

  The first Ctrl-C ends the run as its budget would, at the next look at the metrics.

  Args:
    train: the training functions.
    split: the data.
    numbers: the hyperparameters.
    key: of the run.
    settings: resolved.
    batch_size: examples a step.
    folder: claimed by `new_folder`.
    thresholds: of validation accuracy, the goal first.
    data: where the data comes from, for `environment.json`.

  Returns:
    The summary, as in `summary.json`.

  Raises:
    OSError: naming the file that could not be written.
    KeyboardInterrupt: at the second Ctrl-C; the log is there.
  """
  assert settings.steps is not None
  assert settings.eval_every is not None
  write_json(folder / "environment.json", environment() | ({"data": dict(data)} if data else {}))
  epoch = steps_per_epoch(count(split.train), batch_size)
  interval = settings.eval_every * epoch
  room = max(1, min(CHUNK_STEPS, settings.steps) // interval)
  if settings.stop_when_held is not None:
    room = 1  # look at every evaluation
  records: list[dict[str, Any]] = []
  done, held = 0, False

  with stop_requests() as stops, Log(folder / "metrics.jsonl") as log:
    begun = time.monotonic()
    state = jax.jit(train.start)(key, numbers)
    chunk = jax.jit(train.run, static_argnames="room", donate_argnums=0)
    chunk = chunk.lower(state, split, numbers, 1, 1, 1, room=room).compile()
    compile_seconds = time.monotonic() - begun

    begun = time.monotonic()
    with Progress(settings.steps) as progress:
      fits = 1  # evaluations in a chunk
      while done < settings.steps and not held and not stops:
        piece = _piece(settings.steps - done, interval, epoch, fits)
        state, table = chunk(state, split, numbers, *piece)
        new = _records(jax.device_get(table), piece[0], time.monotonic() - begun)
        log.append(new)
        records += new
        done = records[-1]["step"]
        progress.update(records[-1])
        pace = (time.monotonic() - begun) / len(records)
        fits = max(1, min(room, int(CHUNK_SECONDS / pace)))
        if settings.stop_when_held is not None:
          steps_held = summary.held_steps(records, thresholds[0])
          held = steps_held is not None and steps_held >= settings.stop_when_held
    seconds = time.monotonic() - begun

    full_budget = done == settings.steps and not held
    result = {
      **summary.summarise(records, full_budget=full_budget, thresholds=thresholds),
      "steps": done,
      "seconds": round(seconds, 3),
      "compile_seconds": round(compile_seconds, 3),
      "steps_per_second": round(done / seconds, 2) if done else None,
      "interrupted": bool(stops),
    }
    write_json(folder / "summary.json", result)
    with new_file(folder / "parameters.npz") as part, part.open("wb") as file:
      np.savez(file, **parameters(state.params))
    if records:
      for name, figure in figures.of_run(records, thresholds).items():
        with new_file(folder / name) as part:
          figure.savefig(part, format="png", dpi=120)
  return result
