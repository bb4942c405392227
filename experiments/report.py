"""Tables and pictures of many runs, always from their logs.

    python -m experiments.report experiments/results/modular

reads every run of an experiment in a folder and writes `table.md` and `curves.png`
there: for each setting how many seeds, and the median and range of what the
experiment looks at, as the step at which validation accuracy first reached 95 %,
whether that was sustained, and how often it fell under 95 % again. A run that did not
get there is counted, and stands behind all others in the median.
"""

import dataclasses
import math
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from matplotlib.figure import Figure

from experiments import cli, figures
from experiments.cli import UsageError
from experiments.files import new_file
from experiments.logs import Run, read_reference, read_runs, up_to
from experiments.summary import summarise
from experiments.wording import digits


def spread(name: str, values: Sequence[float | None]) -> str:
  """Median and range of a figure of the summaries, with those that did not get there counted.

  >>> spread("val_95_step", [910, 1340, 920]), spread("val_95_step", [None, None, 900])
  ('920 (910 to 1,340)', '- (900 to -), 2 not')
  """
  if len(values) == 1:
    return digits(name, values[0])
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


def summary_of(run: Run) -> dict[str, float | None]:
  """The summary that a log gives, a run that was ended early counted as such."""
  last = run.records[-1]["step"] if run.records else 0
  thresholds = run.experiment.thresholds
  return summarise(run.records, full_budget=last >= run.steps, thresholds=thresholds)


def table(runs: Sequence[Run], budget: int | None = None) -> str:
  """A Markdown table, a row for each setting and source, and what was published of it.

  Args:
    runs: of one experiment, with any settings.
    budget: leave out what comes after this step.
  """
  columns = runs[0].experiment.columns
  header = ("setting", "of", "seeds", *columns)
  rows = [header, ("---",) * len(header)]
  for (setting, source), group in _groups([up_to(run, budget) for run in runs]).items():
    budgets = sorted({run.steps for run in group})
    if len(budgets) > 1:
      steps = " and ".join(f"{steps:,}" for steps in budgets)
      raise UsageError(f"{setting} has runs of {steps} steps: name a --budget that all have.")
    summaries = [summary_of(run) for run in group]
    spreads = [spread(name, [s.get(name) for s in summaries]) for name in columns.values()]
    rows.append((setting, source, str(len(group)), *spreads))
    if published := group[0].published:
      theirs = [
        digits(name, published[name]) if name in published else "" for name in columns.values()
      ]
      rows.append((setting, "published", "1", *theirs))
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
