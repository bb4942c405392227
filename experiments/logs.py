"""Many runs, read from their folders."""

import dataclasses
import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments import imdb, journal, mnist, modular, qm9
from experiments.cli import UsageError
from experiments.experiment import Experiment
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
  """

  experiment: Experiment
  setting: str
  source: str
  seed: int
  steps: int
  records: list[Record]
  published: Mapping[str, float] = dataclasses.field(default_factory=dict)


def _run(experiment: Experiment, values: Mapping[str, Any], records: list[Record]) -> Run:
  settings = experiment.resolve(experiment.settings(**values))
  setting, published = experiment.describe(settings), experiment.as_published(settings)
  return Run(experiment, setting, "grokfax", settings.seed, settings.steps, records, published)


def _read(file: Path) -> list[Run]:
  """The run whose settings a file holds, or the members of a sweep."""
  records = journal.read_log(file.parent / journal.NAME)
  try:
    values = {"experiment": "modular", **json.loads(file.read_text())}
    experiment = EXPERIMENTS[values.pop("experiment")]
    if "members" not in values:
      return [_run(experiment, values, records)]
    own: list[list[Record]] = [[] for _ in values["members"]]
    for record in records:
      own[record["member"]].append(record)
    return [
      _run(experiment, values["common"] | member, log)
      for member, log in zip(values["members"], own, strict=True)
      if log
    ]
  except (ValueError, TypeError, KeyError, IndexError, UsageError) as error:
    raise UsageError(f"{file} is not the settings of a run: {error}.") from None


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
  """The run as it would have been with a smaller budget."""
  if budget is None or budget >= run.steps:
    return run
  records = [record for record in run.records if record["step"] <= budget]
  return dataclasses.replace(run, steps=budget, records=records)
