"""Figures of many runs, each a function under its name in FIGURES; and those of one run.

A figure is added by one function:

    @figure("losses.png", "Losses", "Validation loss at the end of each run.")
    def losses(runs): ...
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from experiments.reports import heatmap
from experiments.reports.read import OURS, Run, by_setting
from experiments.runs.outcomes import Record
from experiments.tasks.task import Goal

COLUMNS, MOST = 4, 16  # panels
MOST_TOGETHER = 6  # settings in one panel


class Entry(NamedTuple):
  """A figure of a report: runs -> the figure, or None where there is none of them."""

  title: str
  caption: str
  draw: Callable[[Sequence[Run]], Figure | None]


FIGURES: dict[str, Entry] = {}


def figure(name: str, title: str, caption: str) -> Callable[..., Any]:
  """Enters a function among the figures of every report, under a file name."""

  def enter(draw):
    FIGURES[name] = Entry(title, caption, draw)
    return draw

  return enter


def of_run(records: Sequence[Record], quantity: str, goals: Sequence[Goal] = ()) -> Figure | None:
  """One quantity of one run, in training and validation; None where it has it not.

  Args:
    records: of the run.
    quantity: "accuracy" or "loss".
    goals: drawn as lines where they are of this quantity.
  """
  if f"val_{quantity}" not in records[0]:
    return None
  drawn = Figure(figsize=(6, 4), layout="constrained")
  axes = drawn.add_subplot(xlabel="optimization steps", ylabel=quantity)
  for part, label in (("train", "training"), ("val", "validation")):
    values = column(records, f"{part}_{quantity}")
    marker = "." if len(values) == 1 else ""
    axes.plot(column(records, "step"), values, label=label, marker=marker)
  _dress(axes, quantity, goals)
  axes.legend()
  return drawn


def column(records: Sequence[Record], name: str) -> list[float]:
  """One quantity over the records; what was not finite is NaN."""
  return [float("nan") if record[name] is None else record[name] for record in records]


def together(runs: Sequence[Run]) -> Figure:
  """Median and range over the seeds in validation against log steps, all settings in one panel.

  Of the goal's metric, or where there is no goal of the loss. At most the first 6 settings, in
  the order in which they come.
  """
  task = runs[0].task
  drawn = Figure(figsize=(7.5, 4), layout="constrained")
  axes = drawn.add_subplot(xlabel="optimization steps", ylabel=f"validation {task.quantity}")
  groups = by_setting(runs)
  for i, (setting, source) in enumerate(dict.fromkeys((run.setting, run.source) for run in runs)):
    if i == MOST_TOGETHER:
      drawn.suptitle(f"the first {MOST_TOGETHER} of {len(groups)} settings")
      break
    whose = "" if source == OURS else f", {source}"
    group = groups[setting, source]
    _band(axes, group, f"val_{task.quantity}", f"{setting}{whose}, n = {len(group)}", f"C{i}")
  _dress(axes, task.quantity, task.goals)
  axes.legend(fontsize="small")
  return drawn


@figure(
  "together.png",
  "All settings",
  "In validation, median and range over the seeds, against log steps.",
)
def few_together(runs: Sequence[Run]) -> Figure | None:
  """All of our settings in one panel, where there are a few."""
  ours = [run for run in runs if run.source == OURS]
  few = 1 < len({run.setting for run in ours}) <= MOST_TOGETHER
  return together(ours) if few else None


@figure(
  "curves.png",
  "Curves",
  "Median and range over the seeds, against log steps. Runs that stopped early (goal held, or "
  "diverged) are extended with their last value; unfinished runs end where their log ends.",
)
def curves(runs: Sequence[Run]) -> Figure:
  """Median and range over the seeds of both parts against log steps, a panel a setting.

  Of the goal's metric, or where there is no goal of the loss. The first 16 settings have panels.
  """
  groups = by_setting(runs)
  ours = {setting: group for (setting, source), group in groups.items() if source == OURS}
  theirs = {setting: group for (setting, source), group in groups.items() if source != OURS}
  task = runs[0].task
  shown = dict(list(ours.items())[:MOST])
  rows, columns = math.ceil(len(shown) / COLUMNS), min(len(shown), COLUMNS)
  drawn = Figure(figsize=(4 * columns, 3.4 * rows), layout="constrained")
  grid = drawn.subplots(rows, columns, sharey=True, squeeze=False)
  for axes in grid.flat[len(shown) :]:
    axes.set_visible(False)
  for axes, (setting, group) in zip(grid.flat, shown.items(), strict=False):
    _band(axes, group, f"train_{task.quantity}", "training", "C0")
    _band(axes, group, f"val_{task.quantity}", "validation", "C1")
    if setting in theirs:
      steps, values = _columns(theirs[setting], f"val_{task.quantity}")
      label = f"validation, reference (n = {len(values)})"
      axes.plot(steps, _over_seeds(np.ma.median, values), color="black", linewidth=0.8, label=label)
    axes.set(xlabel="optimization steps", title=_title(setting, group))
    _dress(axes, task.quantity, task.goals)
  for axes in grid[:, 0]:
    axes.set(ylabel=f"{task.quantity}: median and range")
  grid[0, 0].legend(fontsize="small")
  if len(ours) > len(shown):
    drawn.suptitle(f"the first {len(shown)} of {len(ours)} settings")
  return drawn


@figure(
  "heatmap.png",
  "Hyperparameters",
  "Median step of the first crossing, by Kaplan and Meier, over the two hyperparameters with most "
  'values: the stronger the colour, the sooner. "-" is not reached.',
)
def heatmaps(runs: Sequence[Run]) -> Figure | None:
  """Heat maps of our runs, where two hyperparameters vary."""
  return heatmap.draw([run for run in runs if run.source == OURS])


def _dress(axes: Any, quantity: str, goals: Sequence[Goal]) -> None:
  """Scales, goals and a grid, once all is drawn: a log scale of nothing is an error."""
  if any(np.isfinite(line.get_ydata()).any() for line in axes.lines):
    axes.set(xscale="log", yscale="linear" if quantity == "accuracy" else "log")
  if quantity == "accuracy":
    axes.set(ylim=(-0.02, 1.02))
  for goal in goals:
    if goal.metric == f"val_{quantity}":
      axes.axhline(goal.threshold, color="grey", linewidth=0.8, linestyle=":")
  axes.grid(alpha=0.2)


def _title(setting: str, group: list[Run]) -> str:
  """The setting on lines that fit a panel, and n."""
  lines = [""]
  for part in [*setting.split(", "), f"n = {len(group)}"]:
    joined = f"{lines[-1]}, {part}" if lines[-1] else part
    if len(joined) <= 42:
      lines[-1] = joined
    else:
      lines[-1] += ","
      lines.append(part)
  return "\n".join(lines)


def _columns(group: list[Run], name: str) -> tuple[list[float], np.ma.MaskedArray]:
  """Steps, and one row of values a run.

  One that ended before the others, for it held the goal or diverged, keeps its last value;
  one that did not finish is masked from there on, as is what is not finite.
  """
  length = max(len(run.records) for run in group)
  longest = next(run.records for run in group if len(run.records) == length)
  values = np.full((len(group), length), np.nan)
  for row, run in zip(values, group, strict=True):
    if not run.records:
      continue
    own = column(run.records, name)
    row[: len(own)] = own
    if run.ended != "unfinished":
      row[len(own) :] = own[-1]
  return column(longest, "step"), np.ma.masked_invalid(values)


def _over_seeds(statistic: Any, values: np.ma.MaskedArray) -> np.ndarray:
  return np.ma.filled(statistic(values, axis=0), np.nan)


def _band(axes: Any, group: list[Run], name: str, label: str, color: str) -> None:
  steps, values = _columns(group, name)
  axes.plot(steps, _over_seeds(np.ma.median, values), color=color, label=label)
  low, high = (_over_seeds(statistic, values) for statistic in (np.ma.min, np.ma.max))
  axes.fill_between(steps, low, high, color=color, alpha=0.2, linewidth=0)
