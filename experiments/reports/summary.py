"""One run at its end: a small table beside the published figures, and its pictures."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.files import new_file
from experiments.reports.words import digits, words
from experiments.runs import folder, identity, options
from experiments.runs.log import read_log
from experiments.runs.settings import Settings
from experiments.tasks import TASKS
from experiments.tasks.task import Task


def title(run: Settings) -> str:
  """A run in words."""
  return f"{run.task}, {identity.sentence(run.task, identity.identity(run))}, seed {run['seed']}"


def text(run: Settings, summary: Mapping[str, Any], out: Path) -> str:
  """A small table, beside the published figures where these are the source's settings."""
  theirs = identity.published(run)
  slowest = TASKS[run.task].source.published({**run.values, "method": "baseline"})
  rows: list[tuple[str, ...]] = [("", "here", "published" if theirs else "")]
  for name, value in summary.items():
    if (told := words(name)) is None:
      continue
    rows.append((told, digits(name, value), digits(name, theirs[name]) if name in theirs else ""))
    if name in slowest and name.endswith("_step"):
      sooner = [f"x {slowest[name] / n:.1f}" if n else "" for n in (value, theirs.get(name))]
      rows.append((f"  sooner than the published {slowest[name]:,}", *sooner))
  lines = [f"{told:40}{here:>12}{there:>12}".rstrip() for told, here, there in rows]
  if summary["interrupted"]:
    again = options.to_resume(run, out)
    lines.append(f"stopped at step {summary['steps']:,}; to resume:\n{again}")
  if (step := summary.get("diverged_step")) is not None:
    lines.append(f"diverged: at step {step:,} the training loss was not finite")
  pictures = [str(out / name) for name in folder.PICTURES if (out / name).exists()]
  where = f"results: {out}, picture: {pictures[0]}" if pictures else f"results: {out}"
  return "\n".join([title(run), *lines, where])


def draw(out: Path, task: Task) -> None:
  """Draws the pictures of a run from its log, those that are not there yet."""
  from experiments.reports import figures  # what starts a run need not wait for it

  summary, log = out / folder.SUMMARY, out / folder.LOG
  fresh = [n for n in folder.PICTURES if not (out / n).exists() or _older(out / n, summary)]
  records = read_log(log) if log.exists() and fresh else []
  for name in fresh if records else ():
    if figure := figures.of_run(records, name.removesuffix(".png"), task.goals):
      with new_file(out / name) as part:
        figure.savefig(part, format="png", dpi=120)


def _older(file: Path, other: Path) -> bool:
  return file.stat().st_mtime_ns < other.stat().st_mtime_ns
