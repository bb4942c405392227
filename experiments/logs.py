"""Many runs, read from their folders."""

import dataclasses
import itertools
import json
from collections.abc import Mapping
from pathlib import Path

from experiments import imdb, mnist, modular, qm9
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


def read_log(path: Path) -> list[Record]:
  """The records of a log; a last line that was torn by a crash is left out."""
  records = []
  for line in path.read_text().splitlines():
    try:
      records.append(json.loads(line))
    except json.JSONDecodeError:
      break
  return records


def _read_run(file: Path) -> Run:
  try:
    values = {"experiment": "modular", **json.loads(file.read_text())}
    experiment = EXPERIMENTS[values.pop("experiment")]
    settings = experiment.resolve(experiment.settings(**values))
    setting, published = experiment.describe(settings), experiment.as_published(settings)
  except (ValueError, TypeError, KeyError, UsageError) as error:
    raise UsageError(f"{file} is not the settings of a run: {error}.") from None
  assert settings.steps is not None
  records = read_log(file.parent / "metrics.jsonl")
  return Run(experiment, setting, "grokfax", settings.seed, settings.steps, records, published)


def read_runs(folder: Path) -> list[Run]:
  """Every run in a folder's folders, by setting and seed.

  Raises:
    UsageError: if there is none, one cannot be read, they are of two experiments, or a
      seed stands twice.
  """
  files = [f for f in folder.glob("*/settings.json") if (f.parent / "metrics.jsonl").exists()]
  if not files:
    raise UsageError(f"{folder} has no runs: name a folder whose folders hold settings.json.")
  runs = sorted(map(_read_run, files), key=lambda run: (run.setting, run.seed))
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
