"""Tables and pictures of many runs, always from their logs.

    python -m experiments.report experiments/results/modular

reads every run of an experiment in a folder and writes `table.md` and `curves.png`
there: for each setting how many seeds, and the median and range of what the
experiment looks at, as the step at which validation accuracy first reached 95 %,
whether that was sustained, and how often it fell under 95 % again. A run that did not
get there is counted, and stands behind all others in the median.
"""

import dataclasses
import itertools
import json
import math
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from matplotlib.figure import Figure

from experiments import cli, figures, imdb, mnist, modular, qm9
from experiments.cli import UsageError
from experiments.experiment import Experiment
from experiments.runs import new_file
from experiments.summary import Record, summarise
from experiments.wording import digits

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
  """

  experiment: Experiment
  setting: str
  source: str
  seed: int
  steps: int
  records: list[Record]


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
    settings = experiment.settings(**values)
    setting = experiment.describe(settings)
  except (ValueError, TypeError, KeyError) as error:
    raise UsageError(f"{file} is not the settings of a run: {error}.") from None
  assert settings.steps is not None
  records = read_log(file.parent / "metrics.jsonl")
  return Run(experiment, setting, "grokfax", settings.seed, settings.steps, records)


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


def spread(name: str, values: Sequence[float | None]) -> str:
  """Median and range of a figure of the summaries, with those that did not get there counted.

  >>> spread("val_95_step", [910, 1340, 920]), spread("val_95_step", [None, None, 900])
  ('920 (910 to 1,340)', '- (900 to -), 2 not')
  """
  worst = -math.inf if name.endswith("accuracy") else math.inf
  numbers = [worst if value is None else value for value in values]
  middle = statistics.median_high if worst > 0 else statistics.median_low  # never a mean with it
  shown = [
    digits(name, None if math.isinf(v) else v)
    for v in (middle(numbers), min(numbers), max(numbers))
  ]
  missing = sum(value is None for value in values)
  if missing == len(values):
    return f"none of {missing}"
  return f"{shown[0]} ({shown[1]} to {shown[2]})" + (f", {missing} not" if missing else "")


def _groups(runs: Sequence[Run]) -> dict[tuple[str, str], list[Run]]:
  groups: dict[tuple[str, str], list[Run]] = {}
  for run in runs:
    groups.setdefault((run.setting, run.source), []).append(run)
  return dict(sorted(groups.items()))


def _summary(run: Run) -> dict[str, float | None]:
  last = run.records[-1]["step"] if run.records else 0
  thresholds = run.experiment.thresholds
  return summarise(run.records, full_budget=last >= run.steps, thresholds=thresholds)


def table(runs: Sequence[Run], budget: int | None = None) -> str:
  """A Markdown table, a row for each setting and source.

  Args:
    runs: of one experiment, with any settings.
    budget: leave out what comes after this step.
  """
  columns = runs[0].experiment.columns
  header = ("setting", "of", "seeds", *columns)
  rows = [header, ("---",) * len(header)]
  for (setting, source), group in _groups([up_to(run, budget) for run in runs]).items():
    summaries = [_summary(run) for run in group]
    spreads = [spread(name, [s.get(name) for s in summaries]) for name in columns.values()]
    rows.append((setting, source, str(len(group)), *spreads))
  return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def draw(runs: Sequence[Run]) -> Figure:
  """Median and range over the seeds of both parts against log steps, a panel a setting.

  The accuracies, or where there are none the losses.
  """
  groups = _groups(runs)
  ours = {setting: group for (setting, source), group in groups.items() if source == "grokfax"}
  theirs = {setting: group for (setting, source), group in groups.items() if source != "grokfax"}
  thresholds = runs[0].experiment.thresholds
  quantity = "accuracy" if thresholds else "loss"
  figure = Figure(figsize=(4 * len(ours), 3.4), layout="constrained")
  panels = figure.subplots(1, len(ours), sharey=True, squeeze=False)[0]
  for axes, (setting, group) in zip(panels, ours.items(), strict=True):
    _band(axes, group, f"train_{quantity}", "training", "C0")
    _band(axes, group, f"val_{quantity}", "validation", "C1")
    if setting in theirs:
      steps, values = _columns(theirs[setting], f"val_{quantity}")
      label = f"validation, reference (n = {len(values)})"
      axes.plot(steps, np.median(values, 0), color="black", linewidth=0.8, label=label)
    axes.set(xscale="log", xlabel="optimization steps", title=f"{setting}, n = {len(group)}")
    for threshold in thresholds:
      axes.axhline(threshold, color="grey", linewidth=0.8, linestyle=":")
    axes.grid(alpha=0.2)
  if thresholds:
    panels[0].set(ylim=(-0.02, 1.02))
  else:
    panels[0].set(yscale="log")
  panels[0].set(ylabel=f"{quantity}: median and range")
  panels[0].legend(fontsize="small")
  return figure


def _columns(group: list[Run], name: str) -> tuple[list[float], np.ndarray]:
  """Steps, and one row of values a run, to the end of the shortest."""
  logs = [run.records for run in group]
  length = min(map(len, logs))
  values = np.array([figures.column(records[:length], name) for records in logs])
  return figures.column(logs[0][:length], "step"), values


def _band(axes: Any, group: list[Run], name: str, label: str, color: str) -> None:
  steps, values = _columns(group, name)
  axes.plot(steps, np.median(values, 0), color=color, label=label)
  axes.fill_between(steps, values.min(0), values.max(0), color=color, alpha=0.2, linewidth=0)


@dataclasses.dataclass(frozen=True)
class Settings:
  """Tables and pictures of many runs, from their logs."""

  folder: tyro.conf.Positional[Path]
  """whose folders are the runs"""
  reference: Path | None = Path(__file__).parent / "results" / "reference_curves.json"
  """recorded curves of the official code, beside ours where the settings are the same"""
  budget: int | None = None
  """leave out what comes after this step"""


def run(settings: Settings) -> None:
  runs = read_runs(settings.folder)
  if settings.reference:
    known = {run.setting for run in runs}
    runs += [run for run in read_reference(settings.reference) if run.setting in known]
  text = table(runs, settings.budget)
  print(text, end="")
  with new_file(settings.folder / "table.md") as part:
    part.write_text(text)
  with new_file(settings.folder / "curves.png") as part:
    draw(runs).savefig(part, format="png", dpi=100)


def main(argv: Sequence[str] | None = None) -> int:
  """The command line; returns the exit code."""
  prog = "python -m experiments.report"
  return cli.run_main(lambda: run(cli.parse(Settings, argv, prog)))


if __name__ == "__main__":
  sys.exit(main())
