"""Many seeds and hyperparameters of an experiment, as one program or a few.

    python -m experiments.sweep modular --method grokfast_ema --seeds 20 --lamb 1 2 5

trains the product of all that is given more than once. Members that differ in numbers
share one compiled program; on an accelerator they are trained side by side.
"""

import dataclasses
import functools
import itertools
import json
import sys
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import jax

from experiments import checkpoints, cli, files, hosts, journal, logs, methods, plan, report, runs
from experiments.cli import UsageError
from experiments.experiment import Experiment
from experiments.files import write_json
from experiments.loop import Outcome, Program
from experiments.progress import SweepProgress
from experiments.summary import diverged_step

LARGEST = 10_000  # members
PLAN = "plan.json"
HOW = (
  *runs.WHERE,
  "at_once",
  "data_devices",
  "coordinator",
  "processes",
  "process",
  "dry_run",
)  # what does not make another sweep


@dataclasses.dataclass(frozen=True)
class SweepSettings:
  """How many members, how long, and where to."""

  seeds: int = 5
  """seeds 0, 1, ... of each setting"""
  steps: Annotated[int | None, cli.optional("INT", "the method's own")] = None
  """the budget of each member"""
  stop_when_held: Annotated[int | None, cli.optional("INT", "never")] = None
  """a member ends once its validation accuracy has been at the goal for so many steps"""
  eval_every: Annotated[int | None, cli.optional("INT", "the experiment's own")] = None
  """epochs between two evaluations"""
  out: Annotated[Path | None, cli.optional("PATH", "a new one under runs/")] = None
  """a folder for the results"""
  resume: bool = False
  """go on with the sweep in --out where it was stopped; if there is none, begin it"""
  checkpoint_every: float = 30.0
  """seconds from one checkpoint to the next: what a kill costs at most; 0 is every chunk"""
  at_once: Annotated[int | None, cli.optional("INT", "what is measured to be faster")] = None
  """members side by side in the program; 1 is one after another"""
  data_devices: int = 1
  """devices that share each member's batch; the others share the members"""
  coordinator: Annotated[str | None, cli.optional("HOST:PORT", "one process alone")] = None
  """of several processes that train together, on a folder that all of them see: the first one's"""
  processes: int = 1
  """how many these are"""
  process: int = 0
  """which of them this is, from 0"""
  dry_run: bool = False
  """show the plan, and end"""


NOT_GIVEN_MORE_THAN_ONCE = {"seed", *(field.name for field in dataclasses.fields(SweepSettings))}


def _plain(kind: Any) -> Any:
  """The type of one value: without what stands for "left out"."""
  if isinstance(kind, types.UnionType):
    (kind,) = (k for k in typing.get_args(kind) if k is not type(None))
  return kind


def settings_of(experiment: Experiment) -> type[Any]:
  """The sweep's settings: those of the experiment, each any number of times, and its own."""
  hints = typing.get_type_hints(experiment.settings)
  several: list[Any] = [
    (field.name, tuple[_plain(hints[field.name]), ...], dataclasses.field(default=()))
    for field in dataclasses.fields(experiment.settings)
    if field.name not in {*NOT_GIVEN_MORE_THAN_ONCE, "data"}
  ]
  if any(field.name == "data" for field in dataclasses.fields(experiment.settings)):
    several.append(("data", Path | None, dataclasses.field(default=None)))
  return dataclasses.make_dataclass(
    f"{experiment.name.title()}Sweep", several, bases=(SweepSettings,), frozen=True
  )


def members_of(experiment: Experiment, settings: Any) -> list[Any]:
  """Every member's resolved settings, all settings of the first seed first.

  Raises:
    UsageError: says what is allowed.
  """
  values = dataclasses.asdict(settings)
  common = {
    name: values[name]
    for name in ("steps", "stop_when_held", "eval_every", "data")
    if name in values
  }
  given = {name: v for name, v in values.items() if isinstance(v, tuple) and v}
  for name, several in given.items():
    if len(set(several)) < len(several):
      raise UsageError(f"{methods.flag(name)} has one of {', '.join(map(str, several))} twice.")
  if not settings.seeds >= 1:
    raise UsageError(f"--seeds must be at least 1; got {settings.seeds}.")
  size = settings.seeds
  for several in given.values():
    size *= len(several)
  if size > LARGEST:
    raise UsageError(f"a sweep has at most {LARGEST:,} members; these are {size:,}.")
  return [
    experiment.resolve(
      experiment.settings(seed=seed, **common, **dict(zip(given, product, strict=True)))
    )
    for seed in range(settings.seeds)
    for product in itertools.product(*given.values())
  ]


def saved_form(experiment: Experiment, settings: Any, members: Sequence[Any]) -> dict[str, Any]:
  """What `settings.json` holds: the command, what all members have in common, and what not."""
  values = [
    {name: v for name, v in dataclasses.asdict(member).items() if name not in runs.WHERE}
    for member in members
  ]
  common = {n: v for n, v in values[0].items() if all(member[n] == v for member in values)}
  command = dataclasses.asdict(settings)
  return {
    "experiment": experiment.name,
    "sweep": {n: v for n, v in command.items() if n not in HOW and v not in ((), None)},
    "common": common,
    "members": [{n: v for n, v in member.items() if n not in common} for member in values],
  }


def _join(settings: Any) -> None:
  """Makes this process one of several; before anything asks for a device."""
  if settings.coordinator is None:
    if settings.processes != 1 or settings.process != 0:
      raise UsageError("--processes and --process need a --coordinator HOST:PORT.")
    return
  if not 0 <= settings.process < settings.processes:
    raise UsageError(f"--process must be from 0 to --processes - 1; got {settings.process}.")
  if settings.out is None:
    raise UsageError("--coordinator needs an --out that all processes see.")
  if not jax.distributed.is_initialized():
    jax.distributed.initialize(settings.coordinator, settings.processes, settings.process)


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
  try:
    saved = json.loads(file.read_text())
    if saved["experiment"] != form["experiment"]:
      raise ValueError(f"they are of {saved['experiment']}")
    before, now = saved["sweep"], json.loads(json.dumps(form["sweep"]))
  except (ValueError, KeyError, TypeError) as error:
    raise UsageError(f"{file} is not the settings of a sweep: {error}.") from None
  other = [
    f"{methods.flag(n)} {_told(before.get(n))}, not {_told(now.get(n))}"
    for n in sorted(before | now)
    if before.get(n) != now.get(n)
  ]
  if other or saved["members"] != json.loads(json.dumps(form["members"])):
    raise UsageError(
      f"the sweep in {folder} has {', '.join(other) or 'other members'}: it cannot go on otherwise."
    )


def _told(value: Any) -> str:
  return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def run(experiment: Experiment, settings: Any) -> dict[str, Any] | None:
  """Shows the plan, trains all members and prints the table of their settings.

  Returns:
    The summary, as in `summary.json`; None after a dry run.

  Raises:
    UsageError: if the settings, the data or the folder will not do.
  """
  _join(settings)
  members = members_of(experiment, settings)
  _check(settings)
  programs, origin = plan.programs_of(experiment, members)
  if settings.dry_run:
    programs, measured = plan.placed(programs, settings.at_once, settings.data_devices)
    print(plan.text(experiment, members, programs, measured))
    return None
  form = saved_form(experiment, settings, members)
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
    with SweepProgress(total, rules.goal) as progress:
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
    saved = json.loads(file.read_text())["programs"]
    return [
      plan.with_places(program, places["width"], settings.data_devices)._replace(
        chunk=places["chunk"]
      )
      for program, places in zip(programs, saved, strict=True)
    ]
  if hosts.writes():
    print("measuring ...", file=sys.stderr)
  programs, measured = plan.placed(programs, settings.at_once, settings.data_devices)
  if hosts.writes():
    print(plan.text(experiment, members, programs, measured), flush=True)
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


def _finish(folder: Path, outcome: Outcome, members: Sequence[Any]) -> dict[str, Any]:
  """Writes the end of a sweep, from its log."""
  steps, diverged = {}, {}
  for record in journal.read_log(folder / journal.NAME):
    steps[record["member"]] = record["step"]
    if diverged_step([record]) is not None:
      diverged[record["member"]] = record["step"]
  total = sum(steps.values())
  result = {
    "members": len(members),
    "diverged": [
      {"member": member, "step": step, "reason": "the training loss was not finite"}
      for member, step in sorted(diverged.items())
    ],
    "steps": total,
    "seconds": round(outcome.seconds, 3),
    "compile_seconds": round(outcome.compile_seconds, 3),
    "member_steps_per_second": round(total / outcome.seconds, 2) if total else None,
    "interrupted": outcome.stopped,
  }
  if hosts.writes():
    write_json(folder / "summary.json", result)
    if not outcome.stopped:
      checkpoints.delete(folder)
  return result


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
    kind = settings_of(experiment)
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
    values = json.loads(file.read_text())["sweep"]
    return kind(**{n: tuple(v) if isinstance(v, list) else v for n, v in values.items()})
  except (ValueError, KeyError, TypeError) as error:
    raise UsageError(f"{file} is not the settings of a sweep: {error}.") from None


if __name__ == "__main__":
  sys.exit(main())
