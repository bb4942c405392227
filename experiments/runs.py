"""A run's settings, its folder and its end.

The folder holds `settings.json`, `environment.json`, `metrics.jsonl` (a line for each
evaluation), while it runs its checkpoints, and at the end `summary.json`,
`parameters.npz` and the pictures. None of them is ever overwritten, but by the same run
when it is gone on with.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np

from experiments import checkpoints, cli, figures, hosts, journal, methods, summary
from experiments.cli import UsageError
from experiments.environment import environment, peak_bytes
from experiments.files import new_file, read_json, write_json
from experiments.loop import Loop, Outcome, Watcher
from experiments.members import Program, Rules

LARGEST_INTERVAL = 1_000  # steps from one evaluation to the next, for Ctrl-C waits so long


@dataclasses.dataclass(frozen=True)
class LengthSettings:
  """How long, and where to."""

  steps: Annotated[int | None, cli.optional("INT", "the method's own")] = None
  """the budget"""
  stop_when_held: Annotated[int | None, cli.optional("INT", "never")] = None
  """end early once validation accuracy has stayed at the goal or above for so many steps"""
  eval_every: Annotated[int | None, cli.optional("INT", "the experiment's own")] = None
  """epochs between two evaluations"""
  out: Annotated[Path | None, cli.optional("PATH", "a new one under runs/")] = None
  """a folder for the results"""
  resume: bool = False
  """go on with what is in --out where it was stopped; if there is nothing, begin"""
  checkpoint_every: float = 30.0
  """seconds of training from one checkpoint to the next, at least; 0 is every chunk"""


@dataclasses.dataclass(frozen=True)
class RunSettings(LengthSettings):
  """How long, where to, and with which seed."""

  seed: int = 0
  """of the initial parameters, the split and the batches"""


WHERE = ("out", "data", "resume", "checkpoint_every")  # settings that do not make another run


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
  check_where(settings)


def check_where(settings: LengthSettings) -> None:
  """Raises a `UsageError` for what concerns the folder alone."""
  if not 0 <= settings.checkpoint_every < float("inf"):
    raise UsageError(
      f"--checkpoint-every must be finite and at least 0; got {settings.checkpoint_every}."
    )
  if settings.resume and settings.out is None:
    raise UsageError("--resume needs the --out of the run to go on with.")


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


def ended(folder: Path) -> dict[str, Any] | None:
  """The summary of a run that came to its end; None if it did not, or was stopped."""
  result = read_json(folder / "summary.json")
  if result.get("interrupted", True):
    return None
  checkpoints.delete(folder)  # where a kill came between the two
  return result


def check_same(folder: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
  """Raises a `UsageError` that names the settings which what is in the folder has otherwise."""
  other = [
    f"{methods.flag(name)} {_told(before.get(name))}, not {_told(now.get(name))}"
    for name in dict.fromkeys((*before, *now))
    if before.get(name) != now.get(name)
  ]
  if other:
    raise UsageError(f"what is in {folder} has {', '.join(other)}: it cannot go on otherwise.")


def _told(value: Any) -> str:
  return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def write_environment(folder: Path, origin: Mapping[str, Any]) -> None:
  """Writes what runs, on what and on which data; a run gone on with keeps each part's.

  Raises:
    UsageError: if the run in the folder was on other data.
  """
  if not hosts.writes():
    return
  file = folder / "environment.json"
  here = environment()
  if not file.exists():
    write_json(file, here | ({"data": dict(origin)} if origin else {}))
    return
  before = read_json(file)
  if before.get("data", {}) != json.loads(json.dumps(dict(origin))):
    raise UsageError(f"the run in {folder} is on other data: see its environment.json.")
  write_json(file, before | {"resumed": [*before.get("resumed", []), here]})


def train(programs: Sequence[Program], folder: Path, rules: Rules, watcher: Watcher) -> Outcome:
  """Trains, from where the folder's last checkpoint is.

  Raises:
    OSError: naming the file that could not be written.
    KeyboardInterrupt: at the second signal, with what there is.
  """
  try:
    return Loop(programs, folder, rules, watcher).run()
  except KeyboardInterrupt:
    raise KeyboardInterrupt(
      f"stopped at once; what there is is in {folder}, and --resume goes on from it"
    ) from None


def finish(
  folder: Path, settings: RunSettings, outcome: Outcome, thresholds: Sequence[float]
) -> dict[str, Any]:
  """Writes the end of a run, from its log.

  Args:
    folder: of the run.
    settings: resolved.
    outcome: of its loop.
    thresholds: of validation accuracy, the goal first.

  Returns:
    The summary, as in `summary.json`.

  Raises:
    OSError: naming the file that could not be written.
  """
  records = journal.read_log(folder / journal.NAME)
  steps = records[-1]["step"] if records else 0
  result = {
    **summary.summarise(records, full_budget=steps == settings.steps, thresholds=thresholds),
    "diverged_step": summary.diverged_step(records),
    "steps": steps,
    "steps_per_second": round(steps / outcome.seconds, 2) if steps else None,
  }
  with new_file(folder / "parameters.npz") as part, part.open("wb") as file:
    np.savez(file, **parameters(outcome.population.state.params))
  if records:
    for name, figure in figures.of_run(records, thresholds).items():
      with new_file(folder / name) as part:
        figure.savefig(part, format="png", dpi=120)
  return end(folder, result, outcome)


def end(folder: Path, figures: Mapping[str, Any], outcome: Outcome) -> dict[str, Any]:
  """Writes `summary.json`, the last file of all: with it a run, or a sweep, has ended.

  Returns:
    What is in it: the figures and what they cost.
  """
  result = {
    **figures,
    "seconds": round(outcome.seconds, 3),
    "compile_seconds": round(outcome.compile_seconds, 3),
    "peak_bytes": peak_bytes(),
    "interrupted": outcome.stopped,
  }
  if hosts.writes():
    write_json(folder / "summary.json", result)
    if not outcome.stopped:
      checkpoints.delete(folder)
  return result
