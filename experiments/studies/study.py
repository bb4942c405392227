"""A study: a question and the sweeps that answer it, each a part with a folder of its own."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments import commands
from experiments.fields import UsageError
from experiments.files import DAMAGES, RESULTS, read_json, write_json
from experiments.reports.read import Run, read_runs
from experiments.runs.loop import Watcher
from experiments.runs.settings import Settings
from experiments.runs.sweep import expand

FOLDER = RESULTS / "studies"
NAME = "study.json"  # in a study's folder: which one it is


@dataclasses.dataclass(frozen=True)
class Part:
  """One sweep.

  Attributes:
    given: settings by name, each a value or several.
    seeds: of each setting.
    task: its name.
    full: what differs in the full size; "seeds" may be among it.
    full_only: whether the default size does without it.
  """

  given: Mapping[str, Any]
  seeds: int = 5
  task: str = "modular"
  full: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  full_only: bool = False

  def sweep(self, *, full: bool = False) -> dict[str, Any]:
    """The settings of the sweep and its seeds, in the default size or in full."""
    return {"seeds": self.seeds, **self.given} | (dict(self.full) if full else {})

  def members(self, *, full: bool = False) -> list[Settings]:
    """The runs."""
    given = self.sweep(full=full)
    seeds = given.pop("seeds")
    return expand(self.task, given, seeds)


@dataclasses.dataclass(frozen=True)
class Study:
  """A question with the runs that answer it.

  Attributes:
    name: of `python -m experiments.studies NAME`.
    question: in a sentence.
    parts: by name, in the order in which they are trained.
    curves: whether its picture has each run's validation accuracy; else it has the crossings.
    by_part: whether these stand under the names of the parts, for each operation, not of settings.
  """

  name: str
  question: str
  parts: Mapping[str, Part]
  curves: bool = False
  by_part: bool = False

  def of_size(self, *, full: bool) -> dict[str, Part]:
    """The parts of the default size, or of the full one."""
    return {name: part for name, part in self.parts.items() if full or not part.full_only}

  def chosen(self, names: Sequence[str], *, full: bool) -> dict[str, Part]:
    """Some of a size's parts, or all.

    Raises:
      UsageError: for a name that is none.
    """
    parts = self.of_size(full=full)
    if unknown := [name for name in names if name not in parts]:
      where = ", which --full has" if unknown[0] in self.parts else ""
      raise UsageError(f"--part must be among {', '.join(parts)}; got {unknown[0]!r}{where}.")
    return {name: part for name, part in parts.items() if not names or name in names}


def claim(study: str, out: Path, *, full: bool) -> None:
  """Makes a folder that of the study of this name.

  Raises:
    UsageError: if it is another's, or holds something else.
  """
  form = {"study": study, "full": full}
  try:
    if (out / NAME).exists():
      before = read_json(out / NAME)
      if before != form:
        size = "full" if before.get("full") else "default"
        raise UsageError(
          f"--out {out} is the folder of another study: {before.get('study')}, {size} size."
        )
      return
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
      raise UsageError(f"--out {out} must be a new or an empty folder, or this study's own.")
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / NAME, form)
  except DAMAGES as error:
    raise UsageError(f"--out {out} cannot be used: {error}.") from None


def run(
  study: Study,
  out: Path,
  *,
  full: bool = False,
  parts: Sequence[str] = (),
  watcher: Watcher | None = None,
) -> dict[str, Any]:
  """Trains what is not there yet; a part that was stopped is resumed.

  Args:
    study: which.
    out: its folder.
    full: in the full size; the default is some hours of two cores.
    parts: names of some; none is all.
    watcher: is told of the progress; else it is shown in text.

  Returns:
    The last part's summary, whose "interrupted" says whether a signal ended it.

  Raises:
    UsageError: for an unknown part, or a folder that is not the study's.
  """
  chosen = study.chosen(parts, full=full)
  claim(study.name, out, full=full)
  summary: dict[str, Any] = {}
  for name, part in chosen.items():
    given = part.sweep(full=full)
    done = commands.run_sweep(part.task, watcher, **given, out=out / name, resume=True)
    summary = done or {}
    if summary.get("interrupted"):
      break
  return summary


def read(study: Study, out: Path) -> dict[str, list[Run]]:
  """The runs of each part that is there."""
  return {
    name: read_runs(out / name) for name in study.parts if (out / name / "metrics.jsonl").exists()
  }


def member_steps(study: Study, *, full: bool = False) -> int:
  """How many steps all runs of the study have together."""
  parts = study.of_size(full=full).values()
  return sum(m["steps"] for part in parts for m in part.members(full=full))
