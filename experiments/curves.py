"""Learning curves of many runs, a band over the seeds of each setting: in panels, or together."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from experiments import figures
from experiments.fates import ending
from experiments.logs import Run, by_setting

COLUMNS, MOST = 4, 16  # panels
MOST_TOGETHER = 6  # settings in one panel


def draw(runs: Sequence[Run]) -> Figure:
  """Median and range over the seeds of both parts against log steps, a panel a setting.

  The accuracies, or where there are none the losses. The first 16 settings have panels.
  """
  groups = by_setting(runs)
  ours = {setting: group for (setting, source), group in groups.items() if source == "grokfax"}
  theirs = {setting: group for (setting, source), group in groups.items() if source != "grokfax"}
  thresholds = runs[0].experiment.thresholds
  quantity = "accuracy" if thresholds else "loss"
  shown = dict(list(ours.items())[:MOST])
  rows, columns = math.ceil(len(shown) / COLUMNS), min(len(shown), COLUMNS)
  figure = Figure(figsize=(4 * columns, 3.4 * rows), layout="constrained")
  grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
  for axes in grid.flat[len(shown) :]:
    axes.set_visible(False)
  for axes, (setting, group) in zip(grid.flat, shown.items(), strict=False):
    _band(axes, group, f"train_{quantity}", "training", "C0")
    _band(axes, group, f"val_{quantity}", "validation", "C1")
    if setting in theirs:
      steps, values = _columns(theirs[setting], f"val_{quantity}")
      label = f"validation, reference (n = {len(values)})"
      axes.plot(steps, _over_seeds(np.ma.median, values), color="black", linewidth=0.8, label=label)
    axes.set(xlabel="optimization steps", title=_title(setting, group))
    _dress(axes, thresholds)
  for axes in grid[:, 0]:
    axes.set(ylabel=f"{quantity}: median and range")
  grid[0, 0].legend(fontsize="small")
  if len(ours) > len(shown):
    figure.suptitle(f"the first {len(shown)} of {len(ours)} settings")
  return figure


def together(runs: Sequence[Run]) -> Figure:
  """Median and range over the seeds in validation against log steps, all settings in one panel.

  The accuracies, or where there are none the losses. At most the first 6 settings, in the order
  in which they come.
  """
  thresholds = runs[0].experiment.thresholds
  quantity = "accuracy" if thresholds else "loss"
  figure = Figure(figsize=(7.5, 4), layout="constrained")
  axes = figure.add_subplot(xlabel="optimization steps", ylabel=f"validation {quantity}")
  groups = by_setting(runs)
  for i, (setting, source) in enumerate(dict.fromkeys((run.setting, run.source) for run in runs)):
    if i == MOST_TOGETHER:
      figure.suptitle(f"the first {MOST_TOGETHER} of {len(groups)} settings")
      break
    whose = "" if source == "grokfax" else f", {source}"
    group = groups[setting, source]
    _band(axes, group, f"val_{quantity}", f"{setting}{whose}, n = {len(group)}", f"C{i}")
  _dress(axes, thresholds)
  axes.legend(fontsize="small")
  return figure


def _dress(axes: Any, thresholds: Sequence[float]) -> None:
  """Scales, thresholds and a grid, once all is drawn: a log scale of nothing is an error."""
  if _drawn(axes):
    axes.set(xscale="log", yscale="linear" if thresholds else "log")
  if thresholds:
    axes.set(ylim=(-0.02, 1.02))
  for threshold in thresholds:
    axes.axhline(threshold, color="grey", linewidth=0.8, linestyle=":")
  axes.grid(alpha=0.2)


def _drawn(axes: Any) -> bool:
  return any(np.isfinite(line.get_ydata()).any() for line in axes.lines)


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
    column = figures.column(run.records, name)
    row[: len(column)] = column
    if ending(run) != "unfinished":
      row[len(column) :] = column[-1]
  return figures.column(longest, "step"), np.ma.masked_invalid(values)


def _over_seeds(statistic: Any, values: np.ma.MaskedArray) -> np.ndarray:
  return np.ma.filled(statistic(values, axis=0), np.nan)


def _band(axes: Any, group: list[Run], name: str, label: str, color: str) -> None:
  steps, values = _columns(group, name)
  axes.plot(steps, _over_seeds(np.ma.median, values), color=color, label=label)
  low, high = (_over_seeds(statistic, values) for statistic in (np.ma.min, np.ma.max))
  axes.fill_between(steps, low, high, color=color, alpha=0.2, linewidth=0)
