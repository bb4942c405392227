"""Many runs, read from their folders."""

import dataclasses
import itertools
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from experiments import imdb, journal, mnist, modular, qm9
from experiments.cli import UsageError
from experiments.experiment import Experiment
from experiments.files import read_json
from experiments.summary import Record

EXPERIMENTS = {module.EXPERIMENT.name: module.EXPERIMENT for module in (modular, mnist, qm9, imdb)}
OPERATIONS = {"+": "add", "-": "sub", "*": "mul", "/": "div"}


@dataclasses.dataclass(frozen=True)
class Run:
  """One seed of one setting.

  Attributes:
    experiment: which.
    setting: what distinguishes it from runs of other settings.
    source: who ran it.
    seed: of the run.
    steps: the budget that was fixed in advance; a run that was ended early has fewer.
    records: its log.
    published: the source's figures, where these are its settings.
    values: its resolved settings, where they are known.
    folder: where it was read; a sweep's members share theirs.
    cost: `ms_per_step` and `peak_bytes`, as far as recorded; of a sweep all members together.
    beyond: whether it went on after this budget, with which it was not run.
  """

  experiment: Experiment
  setting: str
  source: str
  seed: int
  steps: int
  records: list[Record]
  published: Mapping[str, float] = dataclasses.field(default_factory=dict)
  values: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  folder: Path | None = None
  cost: Mapping[str, float] = dataclasses.field(default_factory=dict)
  beyond: bool = False


def by_setting(runs: Iterable[Run]) -> dict[tuple[str, str], list[Run]]:
  """The runs of each setting and source, in the order of these."""
  groups: dict[tuple[str, str], list[Run]] = {}
  for run in runs:
    groups.setdefault((run.setting, run.source), []).append(run)
  return dict(sorted(groups.items()))


def _cost(folder: Path) -> dict[str, float]:
  """What the summary of a run or a sweep says of it."""
  file = folder / "summary.json"
  saved = read_json(file)
  steps, seconds, peak = (saved.get(name) for name in ("steps", "seconds", "peak_bytes"))
  try:
    cost = {"ms_per_step": 1_000 * seconds / steps} if steps and seconds else {}
    return cost if peak is None else cost | {"peak_bytes": float(peak)}
  except (TypeError, ValueError):
    raise UsageError(f"{file} is damaged: its steps, seconds or bytes are no numbers.") from None


def _log(file: Path, names: Iterable[str]) -> list[Record]:
  """The records of a log, which have a step and these columns.

  Raises:
    UsageError: if it is damaged elsewhere than at its end.
  """
  try:
    lines = len(file.read_text().splitlines())
    records = journal.read_log(file)
  except ValueError:
    raise UsageError(f"{file} is damaged: it is not text.") from None
  whole = list(itertools.takewhile(lambda record: _is_record(record, names), records))
  if len(whole) < len(records) or lines > len(records) + 1:
    raise UsageError(f"{file} is damaged: line {len(whole) + 1} is not an evaluation.")
  return records


def _is_record(record: Any, names: Iterable[str]) -> bool:
  return (
    isinstance(record, dict)
    and isinstance(record.get("step"), int)
    and all(isinstance(record.get(name, ""), float | int | None) for name in names)
  )


def _run(
  experiment: Experiment,
  values: Mapping[str, Any],
  records: list[Record],
  folder: Path,
  cost: Mapping[str, float],
) -> Run:
  settings = experiment.resolve(experiment.settings(**values))
  return Run(
    experiment=experiment,
    setting=experiment.describe(settings),
    source="grokfax",
    seed=settings.seed,
    steps=settings.steps,
    records=records,
    published=experiment.as_published(settings),
    values=dataclasses.asdict(settings),
    folder=folder,
    cost=cost,
  )


def _read(file: Path) -> list[Run]:
  """The run whose settings a file holds, or the members of a sweep."""
  folder = file.parent
  cost = _cost(folder)
  try:
    values = {"experiment": "modular", **json.loads(file.read_text())}
    experiment = EXPERIMENTS[values.pop("experiment")]
  except (ValueError, TypeError, KeyError) as error:
    raise _not_settings(file, error) from None
  quantity = "accuracy" if experiment.thresholds else "loss"
  records = _log(folder / journal.NAME, (f"train_{quantity}", f"val_{quantity}"))
  try:
    if "members" not in values:
      return [_run(experiment, values, records, folder, cost)]
    own: list[list[Record]] = [[] for _ in values["members"]]
    for record in records:
      own[record["member"]].append(record)
    return [
      _run(experiment, values["common"] | member, log, folder, cost)
      for member, log in zip(values["members"], own, strict=True)
      if log
    ]
  except (ValueError, TypeError, KeyError, IndexError, UsageError) as error:
    raise _not_settings(file, error) from None


def _not_settings(file: Path, error: Exception) -> UsageError:
  return UsageError(f"{file} is not the settings of a run: {error}.")


def read_runs(folder: Path) -> list[Run]:
  """Every run of a sweep's folder, or in a folder's folders, by setting and seed.

  Raises:
    UsageError: if there is none, one cannot be read, they are of two experiments, or a
      seed stands twice.
  """
  files = [folder / "settings.json", *folder.glob("*/settings.json")]
  files = [file for file in files if file.exists() and (file.parent / journal.NAME).exists()]
  if not files:
    raise UsageError(f"{folder} has no runs: name a folder whose folders hold settings.json.")
  runs = sorted(itertools.chain(*map(_read, files)), key=lambda run: (run.setting, run.seed))
  if not runs:
    raise UsageError(f"{folder} has no runs yet: none of its members has logged anything.")
  for run, following in itertools.pairwise(runs):
    if (run.setting, run.seed) == (following.setting, following.seed):
      raise UsageError(f"{folder} has seed {run.seed} of {run.setting} twice.")
  names = sorted({run.experiment.name for run in runs})
  if len(names) > 1:
    raise UsageError(f"{folder} has runs of {' and '.join(names)}: give each a folder of its own.")
  return runs


def read_reference(file: Path) -> list[Run]:
  """The recorded curves of the official PyTorch code with the paper's and the fork's settings."""
  runs = []
  for curve in json.loads(file.read_text())["runs"]:
    if curve["filter"] == "ema" and curve["alpha"] != 0.98:
      continue
    method = {"ema": "grokfast_ema", "ma": "grokfast_ma", "none": "delayed_compression"}
    setting = f"{method[curve['filter']]} {OPERATIONS[curve['op']]}"
    rows = zip(curve["train_acc"], curve["val_acc"], strict=True)
    records = [
      {"step": curve["eval_every"] * i, "train_accuracy": train, "val_accuracy": val}
      for i, (train, val) in enumerate(rows, 1)
    ]
    steps = records[-1]["step"]
    runs.append(Run(modular.EXPERIMENT, setting, "reference", curve["seed"], steps, records))
  return runs


def up_to(run: Run, budget: int | None) -> Run:
  """The run as it would have been with a smaller budget; of whole runs it shows no figures."""
  if budget is None or budget >= run.steps:
    return run
  records = [record for record in run.records if record["step"] <= budget]
  beyond = len(records) < len(run.records)
  published = {name: value for name, value in run.published.items() if name.endswith("_step")}
  return dataclasses.replace(run, steps=budget, records=records, beyond=beyond, published=published)
