"""Many seeds and hyperparameters of an experiment, as one program or a few.

    python -m experiments.sweep modular --method grokfast_ema --seeds 20 --lamb 1 2 5

trains the product of all that is given more than once. Members that differ in numbers
share one compiled program; on an accelerator they are trained side by side.
"""

import contextlib
import functools
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax

from experiments import (
  cli,
  files,
  grid,
  hosts,
  journal,
  logs,
  plan,
  report,
  runs,
)
from experiments.cli import UsageError
from experiments.experiment import Experiment
from experiments.files import read_json, write_json
from experiments.loop import Outcome, Watcher
from experiments.members import Program
from experiments.progress import SweepProgress
from experiments.summary import Record, diverged_step

PLAN = "plan.json"


def _join(settings: Any) -> None:
  """Makes this process one of several; before anything asks for a device."""
  if settings.coordinator is None:
    if settings.processes != 1 or settings.process != 0:
      raise UsageError("--processes and --process need a --coordinator HOST:PORT.")
    return
  if not re.fullmatch(r"\S+:\d+", settings.coordinator):
    raise UsageError(f"--coordinator must be HOST:PORT; got {settings.coordinator}.")
  if not 0 <= settings.process < settings.processes:
    raise UsageError(f"--process must be from 0 to --processes - 1; got {settings.process}.")
  if settings.out is None:
    raise UsageError("--coordinator needs an --out that all processes see.")
  try:
    if not jax.distributed.is_initialized():
      jax.distributed.initialize(settings.coordinator, settings.processes, settings.process)
  except (RuntimeError, ValueError) as error:
    reason = (str(error).splitlines() or [""])[0]
    raise UsageError(f"--coordinator {settings.coordinator} does not do: {reason}.") from None


def _check(settings: Any) -> None:
  runs.check_where(settings)
  if settings.at_once is not None and settings.at_once < 1:
    raise UsageError(f"--at-once must be at least 1; got {settings.at_once}.")
  devices = jax.device_count()
  if settings.data_devices < 1 or devices % settings.data_devices:
    raise UsageError(
      f"--data-devices must divide the devices, {devices}; got {settings.data_devices}."
    )


def _check_same(folder: Path, form: dict[str, Any]) -> None:
  """Raises a `UsageError` if the sweep in the folder is another one."""
  file = folder / "settings.json"
  saved, here = read_json(file), json.loads(json.dumps(form))
  try:
    if saved["experiment"] != here["experiment"]:
      raise ValueError(f"they are of {saved['experiment']}")
    runs.check_same(folder, saved["common"] | saved["sweep"], here["common"] | here["sweep"])
    if saved["members"] != here["members"]:
      raise ValueError("its members are others")
  except (ValueError, KeyError, TypeError) as error:
    raise UsageError(f"{file} is not the settings of this sweep: {error}.") from None


def run(
  experiment: Experiment, settings: Any, watcher: Watcher | None = None
) -> dict[str, Any] | None:
  """Shows the plan, trains all members and prints the table of their settings.

  Args:
    experiment: of the members.
    settings: of the sweep, from `grid.settings_of(experiment)`.
    watcher: is told of the progress; else it is shown in text.

  Returns:
    The summary, as in `summary.json`; None after a dry run.

  Raises:
    UsageError: if the settings, the data or the folder will not do.
  """
  _join(settings)
  members = grid.members_of(experiment, settings)
  _check(settings)
  programs, origin = plan.programs_of(experiment, members)
  if settings.dry_run:
    programs, measured = plan.placed(programs, settings.at_once, settings.data_devices)
    if hosts.writes():
      print(plan.text(members, programs, measured))
    return None
  form = grid.saved_form(experiment, settings, members)
  name = f"sweep-{experiment.name}"
  with files.claimed(settings.out, name, form, resume=settings.resume) as (folder, goes_on):
    if goes_on:
      _check_same(folder, form)
      if summary := runs.ended(folder):
        print(report.table(logs.read_runs(folder)), end="")
        return summary
    runs.write_environment(folder, origin)
    programs = _with_plan(experiment, members, programs, settings, folder)
    rules = experiment.rules(members[0])
    total = sum(program.steps * len(program.members) for program in programs)
    log = folder / journal.NAME
    done = sum(_last_steps(journal.read_log(log)).values()) if goes_on and log.exists() else 0
    shown = contextlib.nullcontext(watcher) if watcher else SweepProgress(total, rules.goal, done)
    with shown as progress:
      outcome = runs.train(programs, folder, rules, progress)
    summary = _finish(folder, outcome, members)
  if hosts.writes():
    print(report.table(logs.read_runs(folder)), end="")
    print(f"results: {folder}; python -m experiments.report {folder} draws them")
    if outcome.stopped:
      print(f"stopped at {summary['steps']:,} member-steps; --resume --out {folder} goes on")
  return summary


def _with_plan(
  experiment: Experiment,
  members: Sequence[Any],
  programs: list[Program],
  settings: Any,
  folder: Path,
) -> list[Program]:
  """The programs with the places that the folder's plan has, which is made if there is none."""
  file = folder / PLAN
  if file.exists():
    saved = read_json(file).get("programs")
    try:
      return [
        plan.with_places(program, one["width"], settings.data_devices, exact=True)._replace(
          chunk=one["chunk"]
        )
        for program, one in zip(programs, saved or (), strict=True)
      ]
    except (ValueError, TypeError, KeyError):
      raise UsageError(f"{file} is damaged: it is not the plan of this sweep.") from None
  if hosts.writes():
    print("measuring ...", flush=True)
  programs, measured = plan.placed(programs, settings.at_once, settings.data_devices)
  if hosts.writes():
    print(plan.text(members, programs, measured), flush=True)
    write_json(
      file,
      {
        "programs": [{"width": program.width, "chunk": program.chunk} for program in programs],
        "measured": [
          {"width": m.program.width, "member_steps_per_second": m.pace} for m in measured
        ],
      },
    )
  return programs


def _last_steps(records: Sequence[Record]) -> dict[int, int]:
  """How far each member has come."""
  return {record["member"]: record["step"] for record in records}


def _finish(folder: Path, outcome: Outcome, members: Sequence[Any]) -> dict[str, Any]:
  """Writes the end of a sweep, from its log."""
  records = journal.read_log(folder / journal.NAME)
  diverged = {r["member"]: r["step"] for r in records if diverged_step([r]) is not None}
  total = sum(_last_steps(records).values())
  figures = {
    "members": len(members),
    "diverged": [
      {"member": member, "step": step, "reason": "the training loss was not finite"}
      for member, step in sorted(diverged.items())
    ],
    "steps": total,
    "member_steps_per_second": round(total / outcome.seconds, 2) if total else None,
  }
  return runs.end(folder, figures, outcome)


def main(argv: Sequence[str] | None = None) -> int:
  """The command line; returns the exit code."""
  argv = sys.argv[1:] if argv is None else list(argv)

  def start():
    name, *rest = argv or [""]
    if name in ("-h", "--help"):
      print(
        f"{__doc__}\npython -m experiments.sweep {{{','.join(logs.EXPERIMENTS)}}} --help tells more"
      )
      return None
    if name not in logs.EXPERIMENTS:
      raise UsageError(f"name an experiment first: {', '.join(logs.EXPERIMENTS)}; got {name!r}.")
    experiment = logs.EXPERIMENTS[name]
    kind = grid.settings_of(experiment)
    parse = functools.partial(
      cli.parse, kind, rest, f"python -m experiments.sweep {name}", (__doc__ or "").strip()
    )
    settings = parse()
    if settings.resume and settings.out and (settings.out / "settings.json").exists():
      settings = parse(default=_saved(kind, settings.out))
    return run(experiment, settings)

  return cli.run_main(start)


def _saved(kind: type[Any], folder: Path) -> Any:
  """The command of the sweep in a folder."""
  file = folder / "settings.json"
  try:
    values = read_json(file)["sweep"]
    return kind(**{n: tuple(v) if isinstance(v, list) else v for n, v in values.items()})
  except (ValueError, KeyError, TypeError, AttributeError) as error:
    raise UsageError(f"{file} is not the settings of a sweep: {error}.") from None


if __name__ == "__main__":
  sys.exit(main())
