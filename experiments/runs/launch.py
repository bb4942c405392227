"""From settings to a folder: a run is a sweep of one member.

Members that differ in numbers, data and seed share one compiled program. On a CPU they train one
after another, on an accelerator side by side, as many as memory allows.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments.files import new_file, read_json, write_json
from experiments.runs import checkpoints, folder, options, outcomes, sweep
from experiments.runs.log import read_log
from experiments.runs.loop import Loop, Outcome, Watcher
from experiments.runs.plan import Place, Plan, plan_of
from experiments.runs.settings import Settings
from experiments.tasks import TASKS
from experiments.training import devices


class Launched(NamedTuple):
  """Where the results are, the summary, and whether anything was trained for it."""

  folder: Path
  summary: dict[str, Any]
  trained: bool


def launch(
  members: Sequence[Settings],
  place: Place,
  watcher: Watcher,
  *,
  given: Mapping[str, Any] | None = None,
  announce: Callable[[Path, Plan], None] = lambda folder, plan: None,
) -> Launched:
  """Trains members, or resumes them.

  Args:
    members: settings; one, or all of a sweep.
    place: where.
    watcher: is told of the progress.
    given: what a sweep was given; None for one run.
    announce: is told what will be trained, before it is compiled.

  Returns:
    The folder, and what its `summary.json` holds.

  Raises:
    UsageError: if the data or the folder will not do; then nothing in it has changed.
    OSError: naming the file that could not be written.
    KeyboardInterrupt: at the second signal, with what there is.
  """
  plan = plan_of(members, place)
  form, name = _form(members, given)
  with folder.claimed(place.out, name, form, resume=place.resume) as (out, resumed):
    if resumed and (summary := _ended(out)):
      return Launched(out, summary, trained=False)
    loop = Loop(
      plan.programs,
      lambda i: {} if given is None else {"member": i},
      members[0].rules,
      out,
      watcher,
      resume=resumed,
      checkpoint_every=place.checkpoint_every,
    )
    environment = folder.environment_form(out, plan.origin)
    announce(out, plan)
    try:
      loop.open()
      if devices.is_writer():
        write_json(out / folder.ENVIRONMENT, environment)
      outcome = loop.run()
    except KeyboardInterrupt:
      again = options.to_resume(members[0], out, None if given is None else place)
      raise KeyboardInterrupt(
        f"interrupted; partial results are in {out}; to resume:\n{again}"
      ) from None
    finish = _finish_run if given is None else _finish_sweep
    return Launched(out, _end(out, finish(out, members, plan, outcome), outcome), trained=True)


def _form(
  members: Sequence[Settings], given: Mapping[str, Any] | None
) -> tuple[dict[str, Any], str]:
  """What `settings.json` holds, and the name of a new folder."""
  first = members[0]
  if given is None:
    variants = (first[name] for name in TASKS[first.task].variants)
    parts = (first.task, *variants, first["method"], first["seed"])
    return {"experiment": first.task, **first.kept()}, "-".join(map(str, parts))
  common, own = sweep.common_and_own(members)
  form = {"experiment": first.task, **common, "sweep": dict(given), "members": own}
  return form, f"sweep-{first.task}"


def _ended(out: Path) -> dict[str, Any] | None:
  """The summary of what came to its end; None if it did not, or was stopped."""
  result = read_json(out / folder.SUMMARY)
  if result.get("interrupted", True):
    return None
  folder.check_sealed(out)
  checkpoints.delete(out)  # where a kill came between the two
  return result


def _finish_run(
  out: Path, members: Sequence[Settings], plan: Plan, outcome: Outcome
) -> dict[str, Any]:
  """Writes the parameters of a run; its figures, from its log."""
  records = read_log(out / folder.LOG)
  steps = records[-1]["step"] if records else 0
  full = steps >= plan.programs[0].budget
  goals = TASKS[members[0].task].goals
  with new_file(out / folder.PARAMETERS) as part, part.open("wb") as file:
    arrays: dict[str, Any] = parameters(outcome.population.params_of(0))
    np.savez(file, **arrays)
  return {
    **outcomes.summarise(records, full_budget=full, goals=goals),
    "diverged_step": outcomes.diverged_step(records),
    "steps": steps,
    "parameters_step": outcome.step,
    "steps_per_second": round(steps / outcome.seconds, 2) if steps and outcome.seconds else None,
  }


def parameters(params: Any) -> dict[str, np.ndarray]:
  """A tree's arrays by their path, as `parameters.npz` holds them."""
  flat, _ = jax.tree_util.tree_flatten_with_path(params)
  return {
    jax.tree_util.keystr(path, simple=True, separator="/").removesuffix("/value"): np.asarray(a)
    for path, a in flat
  }


def _finish_sweep(
  out: Path, members: Sequence[Settings], plan: Plan, outcome: Outcome
) -> dict[str, Any]:
  """The figures of a sweep, from its log."""
  records = read_log(out / folder.LOG)
  last = {record["member"]: record["step"] for record in records}
  diverged = {r["member"]: r["step"] for r in records if outcomes.diverged(r)}
  total = sum(last.values())
  return {
    "members": len(members),
    "diverged": [
      {"member": member, "step": step, "reason": "the training loss was not finite"}
      for member, step in sorted(diverged.items())
    ],
    "steps": total,
    "member_steps_per_second": round(total / outcome.seconds, 2)
    if total and outcome.seconds
    else None,
  }


def _end(out: Path, figures: Mapping[str, Any], outcome: Outcome) -> dict[str, Any]:
  """Writes `summary.json`: with it a run has ended. After it comes the seal alone.

  Returns:
    What is in it: the figures and what they cost.
  """
  result = {
    **figures,
    "seconds": round(outcome.seconds, 3),
    "compile_seconds": round(outcome.compile_seconds, 3),
    "peak_bytes": devices.peak_bytes(),
    "interrupted": outcome.interrupted,
  }
  if devices.is_writer():
    write_json(out / folder.SUMMARY, result)
    if not outcome.interrupted:
      folder.seal(out)
      checkpoints.delete(out)
  return result
