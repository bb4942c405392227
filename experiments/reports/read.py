"""From folders to one table: a row a run, with its log."""

import dataclasses
import functools
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.fields import UsageError
from experiments.files import read_json
from experiments.runs import folder as folders
from experiments.runs import identity, outcomes
from experiments.runs.identity import Identity
from experiments.runs.log import Record, read_log
from experiments.runs.outcomes import StopRules
from experiments.runs.settings import Settings, from_file
from experiments.tasks import TASKS
from experiments.tasks.task import Task

OURS = "grokfax"
OPERATIONS = {"+": "add", "-": "sub", "*": "mul", "/": "div"}


@dataclasses.dataclass(frozen=True)
class Run:
  """One seed of one setting.

  Attributes:
    task: of the run.
    key: what distinguishes it from runs of other settings.
    source: who ran it.
    seed: of the run.
    steps: the budget that was fixed in advance; a run that was stopped early has fewer.
    records: its log.
    rules: when it was to stop before its budget.
    published: the source's figures, where these are its settings.
    values: its settings, where they are known.
    folder: where it was read; a sweep's members share theirs.
    cost: `ms_per_step` and `peak_bytes`, as far as recorded; of a sweep all members together.
    truncated: whether the log continues past `steps`, because it was cut there.
  """

  task: Task
  key: Identity
  source: str
  seed: int
  steps: int
  records: list[Record]
  rules: StopRules = dataclasses.field(default_factory=StopRules)
  published: Mapping[str, float] = dataclasses.field(default_factory=dict)
  values: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  folder: Path | None = None
  cost: Mapping[str, float] = dataclasses.field(default_factory=dict)
  truncated: bool = False

  @property
  def setting(self) -> str:
    """The key in words."""
    return identity.sentence(self.task.name, self.key)

  @property
  def last(self) -> int:
    """The step of the last evaluation."""
    return self.records[-1]["step"] if self.records else 0

  @functools.cached_property
  def summary(self) -> dict[str, float | None]:
    """The figures of the log, a run that was stopped early counted as such."""
    full = self.truncated or self.last >= self.steps
    return outcomes.summarise(self.records, full_budget=full, goals=self.task.goals)

  @functools.cached_property
  def ended(self) -> str:
    """Why it ended: "budget", "held", "diverged"; else it is "unfinished"."""
    found = outcomes.ending(self.records, self.steps, self.rules)
    return found or ("budget" if self.truncated else "unfinished")


def by_setting(runs: Iterable[Run]) -> dict[tuple[str, str], list[Run]]:
  """The runs of each setting and source, in the order of these."""
  groups: dict[tuple[str, str], list[Run]] = {}
  for run in runs:
    groups.setdefault((run.setting, run.source), []).append(run)
  return dict(sorted(groups.items()))


def read_runs(folder: Path) -> list[Run]:
  """Every run of a sweep's folder, or in a folder's folders, by setting and seed.

  Raises:
    UsageError: if there is none, one cannot be read, they are of two tasks, or a seed stands
      twice.
  """
  files = [folder / folders.SETTINGS, *folder.glob(f"*/{folders.SETTINGS}")]
  held = [file.parent for file in files if file.exists()]
  found = [each for each in held if (each / folders.LOG).exists()]
  if not found:
    without = f"; without a {folders.LOG}: {', '.join(map(str, held))}" if held else ""
    raise UsageError(
      f"{folder} has no runs: name a folder that holds runs, each with {folders.SETTINGS} and "
      f"{folders.LOG}{without}."
    )
  runs = sorted(itertools.chain(*map(_read, found)), key=lambda run: (run.setting, run.seed))
  if not runs:
    raise UsageError(f"{folder} has no runs yet: none of its members has logged anything.")
  for run, following in itertools.pairwise(runs):
    if (run.setting, run.seed) == (following.setting, following.seed):
      raise UsageError(
        f"{folder} has seed {run.seed} of {run.setting} twice: in {run.folder} and "
        f"{following.folder}."
      )
  names = sorted({run.task.name for run in runs})
  if len(names) > 1:
    raise UsageError(f"{folder} has runs of {' and '.join(names)}: give each a folder of its own.")
  return runs


def _read(folder: Path) -> list[Run]:
  """The run in a folder, or the members of a sweep."""
  saved, cost = folders.saved(folder), _cost(folder)
  try:
    task = TASKS[saved["task"]]
    members = [from_file(task.name, saved["common"] | own) for own in saved["members"] or [{}]]
  except (ValueError, TypeError, KeyError, UsageError) as error:
    raise _not_settings(folder, error) from None
  columns = [f"{part}_{task.quantity}" for part in ("train", "val")]
  logs: list[list[Record]] = [[] for _ in members]
  for record in _log(folder / folders.LOG, columns):
    member = record.get("member", 0)
    if member not in range(len(logs)):
      raise _not_settings(folder, IndexError(f"its log has a member {member}"))
    logs[member].append(record)
  logged = sum(log[-1]["step"] for log in logs if log)
  steps = read_json(folder / folders.SUMMARY).get("steps")
  if isinstance(steps, int) and logged < steps:
    raise UsageError(
      f"{folder / folders.LOG} is damaged: it ends at step {logged:,}, and the run at {steps:,}."
    )
  whole = saved["members"] is None
  return [
    _run(settings, log, folder, cost)
    for settings, log in zip(members, logs, strict=True)
    if log or whole
  ]


def _run(settings: Settings, log: list[Record], folder: Path, cost: Mapping[str, float]) -> Run:
  return Run(
    task=TASKS[settings.task],
    key=identity.identity(settings),
    source=OURS,
    seed=settings["seed"],
    steps=settings["steps"],
    records=log,
    rules=settings.rules,
    published=identity.published(settings),
    values={**settings.values, **settings.unknown},
    folder=folder,
    cost=cost,
  )


def _not_settings(folder: Path, error: Exception) -> UsageError:
  return UsageError(f"{folder / folders.SETTINGS} is not the settings of a run: {error}.")


def _cost(folder: Path) -> dict[str, float]:
  """What the summary of a run or a sweep says of it."""
  file = folder / folders.SUMMARY
  saved = read_json(file)
  steps, seconds, peak = (saved.get(name) for name in ("steps", "seconds", "peak_bytes"))
  try:
    cost = {"ms_per_step": 1_000 * seconds / steps} if steps and seconds else {}
    return cost if peak is None else cost | {"peak_bytes": float(peak)}
  except (TypeError, ValueError):
    raise UsageError(f"{file} is damaged: its steps, seconds or bytes are no numbers.") from None


def _log(file: Path, columns: Sequence[str]) -> list[Record]:
  """The records of a log, which have a step and these columns.

  Raises:
    UsageError: if it is damaged elsewhere than at its end.
  """
  try:
    lines = len(file.read_text().splitlines())
    records = read_log(file)
  except (OSError, ValueError):
    raise UsageError(f"{file} is damaged: it is not text.") from None
  last: dict[Any, int] = {}  # step of each member

  def follows(record):
    if not _is_record(record, columns) or record["step"] <= last.get(record.get("member"), 0):
      return False
    last[record.get("member")] = record["step"]
    return True

  whole = list(itertools.takewhile(follows, records))
  if len(whole) < len(records) or lines > len(records) + 1:
    raise UsageError(
      f"{file} is damaged: line {len(whole) + 1} is not an evaluation after the one before."
    )
  return records


def _is_record(record: Any, columns: Sequence[str]) -> bool:
  return (
    isinstance(record, dict)
    and isinstance(record.get("step"), int)
    and isinstance(record.get("member", 0), int)
    and all(isinstance(record.get(name, ""), float | int | None) for name in columns)
  )


def read_reference(file: Path) -> list[Run]:
  """The recorded curves of the official PyTorch code with the paper's and the fork's settings."""
  runs = []
  for curve in json.loads(file.read_text())["runs"]:
    if curve["filter"] == "ema" and curve["alpha"] != 0.98:
      continue
    method = {"ema": "grokfast_ema", "ma": "grokfast_ma", "none": "delayed_compression"}
    key = (("method", method[curve["filter"]]), ("operation", OPERATIONS[curve["op"]]))
    rows = zip(curve["train_acc"], curve["val_acc"], strict=True)
    records = [
      {"step": curve["eval_every"] * i, "train_accuracy": train, "val_accuracy": val}
      for i, (train, val) in enumerate(rows, 1)
    ]
    steps = records[-1]["step"]
    runs.append(Run(TASKS["modular"], key, "reference", curve["seed"], steps, records))
  return runs


def up_to(run: Run, budget: int | None) -> Run:
  """The run as it would have been with a smaller budget; published figures of whole runs go."""
  if budget is None or budget >= run.steps:
    return run
  records = [record for record in run.records if record["step"] <= budget]
  return dataclasses.replace(
    run,
    steps=budget,
    records=records,
    truncated=len(records) < len(run.records),
    published={name: value for name, value in run.published.items() if name.endswith("_step")},
  )
