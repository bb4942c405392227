"""What the doors of training do: parse, call, print."""

import contextlib
import dataclasses
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from experiments import terminal
from experiments.fields import UsageError, between, fields_of, part, setting
from experiments.reports import summary as summaries
from experiments.reports.read import read_runs
from experiments.reports.results import table
from experiments.runs import folder, options, settings, sweep
from experiments.runs.launch import Launched, launch
from experiments.runs.log import read_log
from experiments.runs.loop import Watcher
from experiments.runs.plan import Place, Plan, plan_of
from experiments.runs.settings import Settings
from experiments.tasks import TASKS
from experiments.training import devices


def run(given: Settings, watcher: Watcher | None = None) -> dict[str, Any]:
  """Trains by settings; writes the folder and prints the table.

  Args:
    given: of the run, from `settings.make`.
    watcher: is told of the progress; else it is shown in text.

  Returns:
    The summary, as in `summary.json`.

  Raises:
    UsageError: if the data or the folder will not do.
  """
  place = Place(given["out"], given["resume"], given["checkpoint_every"])
  done = _launched([given], place, watcher)
  summaries.draw(done.folder, TASKS[given.task])
  print(summaries.text(given, done.summary, done.folder))
  return done.summary


def run_main(task: str, argv: Sequence[str] | None = None, prog: str | None = None) -> int:
  """The command line of one run; returns the exit code."""

  def start():
    about = f"{settings.task_named(task).about}\n\n{options.methods(task)}"
    parser = _parser(prog or f"python -m experiments.{task}", about)
    for option in options.options(task):
      parser.add_field(option.field, option.about, option.group)
    given = _given(parser, argv)
    if before := _before(task, given):  # what is left out is as it was
      given = settings.resumed(task, before["common"], given)
    return run(settings.make(task, **_with_budget(task, given)))

  return terminal.run_main(start)


@dataclasses.dataclass(frozen=True)
class SweepOnly:
  """What a sweep has beside the settings of its members."""

  seeds: int = setting(5, "seed", "seeds 0, 1, ... of each setting", between(1, 2**31 - 1))
  at_once: int | None = setting(
    None,
    "place",
    "members side by side; 1 is one after another (default: that on a CPU, on an accelerator as "
    "many as memory allows)",
    between(1, 2**31 - 1),
  )
  data_devices: int = setting(
    1, "place", "devices that share each member's batch; the others share the members"
  )
  coordinator: str | None = setting(
    None, "place", "HOST:PORT of the first of several processes that train on one folder"
  )
  processes: int = setting(1, "place", "how many these are")
  process: int = setting(0, "place", "which of them this is, from 0")
  dry_run: bool = setting(False, "place", "show the plan, and end")


def run_sweep(task: str, watcher: Watcher | None = None, **given: Any) -> dict[str, Any] | None:
  """Shows the plan, trains all members and prints the table of their settings.

  Args:
    task: its name.
    watcher: is told of the progress; else it is shown in text.
    **given: settings by name, each a value or several; and those of `SweepOnly`.

  Returns:
    The summary, as in `summary.json`; None after a dry run.

  Raises:
    UsageError: if the settings, the data or the folder will not do.
  """
  fields = fields_of(SweepOnly)
  own = part(SweepOnly, {n: f.checked(given.pop(n, f.default)) for n, f in fields.items()})
  kinds = {
    name: field.kind
    for name, owners in settings.every_field(task).items()
    for field in owners.values()
  }
  _join(own, given.get("out"))
  given = _with_budget(task, given)
  members = sweep.expand(task, given, own.seeds)
  if jax.device_count() % max(own.data_devices, 1) or own.data_devices < 1:
    raise UsageError(
      f"--data-devices must divide the devices, {jax.device_count()}; got {own.data_devices}."
    )
  first = members[0]
  place = Place(
    first["out"], first["resume"], first["checkpoint_every"], own.at_once, own.data_devices
  )
  if own.dry_run:
    print(_plan_text(plan_of(members, place)))
    return None
  told = {n: v for n, v in given.items() if kinds[n] != "place"} | {"seeds": own.seeds}
  done = _launched(members, place, watcher, told)
  if devices.is_writer():
    print(table(read_runs(done.folder)), end="")
    print(f"results: {done.folder}; python -m experiments.report {done.folder} draws them")
    if done.summary["interrupted"]:
      steps = f"{done.summary['steps']:,} member-steps"
      print(f"stopped at {steps}; to resume:\n{options.to_resume(first, done.folder, place)}")
  return done.summary


def sweep_main(argv: Sequence[str] | None = None) -> int:
  """The command line of a sweep; returns the exit code."""
  argv = sys.argv[1:] if argv is None else list(argv)
  prog = "python -m experiments.sweep"

  def start():
    name, *rest = argv or [""]
    if name in ("-h", "--help"):
      print(f"{_SWEEP}\n\n{prog} {{{','.join(TASKS)}}} --help tells more")
      return None
    settings.task_named(name)
    parser = _parser(f"{prog} {name}", f"{_SWEEP}\n\n{options.methods(name)}")
    for group, field, about in options.options(name):
      if field.kind != "seed":
        parser.add_field(field, about, group, several=field.kind not in ("length", "place"))
    for field in fields_of(SweepOnly).values():
      parser.add_field(field, options.plain(field), "the sweep")
    given = _given(parser, rest)
    if before := _before(name, given):
      given = (before["sweep"] or {}) | given
    return run_sweep(name, **given)

  return terminal.run_main(start)


_SWEEP = """Many seeds and hyperparameters of a task, as one program or a few.

Trains the product of all that is given more than once. Members that differ in numbers share one
compiled program; on an accelerator they train side by side."""


def _parser(prog: str, about: str) -> terminal.Parser:
  return terminal.Parser(prog, about, usage=f"{prog} [--method NAME] [--SETTING VALUE ...]")


def _given(parser: terminal.Parser, argv: Sequence[str] | None) -> dict[str, Any]:
  """What a command line gives; it also decides on the compilation cache."""
  given = parser.given(argv)
  if given.get("compilation_cache", True):
    terminal.use_compilation_cache()
  return given


def _before(task: str, given: Mapping[str, Any]) -> dict[str, Any] | None:
  """The settings of the run that is to be resumed, if there is one."""
  out = given.get("out")
  if not (given.get("resume") and out and (out / folder.SETTINGS).exists()):
    return None
  before = folder.saved(out)
  if before["task"] != task:
    raise UsageError(f"cannot resume {out}: it is a run of {before['task']}, not of {task}.")
  return before


def _with_budget(task: str, given: Mapping[str, Any]) -> dict[str, Any]:
  """What a command was given; left out, the budget is the source's where an accelerator is.

  It is decided here alone, and printed, so that settings mean the same on each machine.
  """
  full = TASKS[task].source.full_steps
  if full is None or "steps" in given or jax.default_backend() == "cpu":
    return dict(given)
  return {**given, "steps": full}


def _join(own: SweepOnly, out: Path | None) -> None:
  """Makes this process one of several; before anything asks for a device."""
  if own.coordinator is None:
    if own.processes != 1 or own.process != 0:
      raise UsageError("--processes and --process need a --coordinator HOST:PORT.")
    return
  if not re.fullmatch(r"\S+:\d+", own.coordinator):
    raise UsageError(f"--coordinator must be HOST:PORT; got {own.coordinator}.")
  if not 0 <= own.process < own.processes:
    raise UsageError(f"--process must be from 0 to --processes - 1; got {own.process}.")
  if out is None:
    raise UsageError("--coordinator needs an --out that all processes see.")
  try:
    if not jax.distributed.is_initialized():
      jax.distributed.initialize(own.coordinator, own.processes, own.process)
  except (RuntimeError, ValueError) as error:
    reason = (str(error).splitlines() or [""])[0]
    raise UsageError(f"could not connect to --coordinator {own.coordinator}: {reason}.") from None


def _launched(
  members: Sequence[Settings],
  place: Place,
  watcher: Watcher | None,
  given: Mapping[str, Any] | None = None,
) -> Launched:
  """Launches members, with what will be trained and its progress in text."""
  with terminal.Progress() if watcher is None else contextlib.nullcontext(watcher) as shown:

    def announce(out: Path, plan: Plan) -> None:
      if not devices.is_writer():
        return
      print(_plan_text(plan) + f"into {out}", flush=True)
      if isinstance(shown, terminal.Progress):
        total = sum(program.budget * len(program.members) for program in plan.programs)
        log = out / folder.LOG
        last = {r.get("member"): r["step"] for r in read_log(log)} if log.exists() else {}
        shown.open(total, sum(last.values()))

    return launch(members, place, shown, given=given, announce=announce)


def _plan_text(plan: Plan) -> str:
  """What will be trained, in lines."""
  first, lines = plan.members[0], []
  if plan.origin:
    lines.append(f"data: {plan.origin['source']}, in {plan.origin['order']} order")
  full = TASKS[first.task].source.full_steps
  if full and first["steps"] < full:
    lines.append(f"shortened: the source has {full:,} steps, as --steps {full}")
  alone = len(plan.members) == 1
  if not alone:
    count = len(plan.programs)
    lines.append(f"{len(plan.members):,} members in {count} program{'s' * (count > 1)}:")
  for program in plan.programs:
    member = plan.members[program.members[0]]
    what = summaries.title(member) if alone else f"  {len(program.members):,} of {member['method']}"
    asked = member["steps"]
    rounded = f" ({asked:,} rounded up to whole evaluations)" * (program.budget != asked)
    lines.append(
      f"{what}: {program.budget:,} steps{rounded}, an evaluation every {program.interval:,}, "
      f"{'' if alone else f'{program.width} at once, '}"
      f"{program.member_bytes / 1e6:,.1f} MB{'' if alone else ' each'}"
    )
  return "".join(f"{line}\n" for line in lines)
