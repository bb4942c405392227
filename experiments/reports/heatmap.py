"""Heat maps: how soon the goal was reached, over two hyperparameters."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.figure import Figure

from experiments.reports import survival
from experiments.reports.read import Run
from experiments.reports.words import goal_text

MOST, COLUMNS = 6, 3  # panels of a method, panels in a row
# Deep is soon; the latest still stands out from what is not reached, which is grey.
COLORS = LinearSegmentedColormap.from_list("soon", colormaps["Blues_r"](np.linspace(0, 0.85, 256)))
NOT_REACHED = "0.95"


class Panel(NamedTuple):
  """One heat map.

  Attributes:
    title: the method, and the other settings that vary.
    names: of the hyperparameters across and upwards.
    cells: median first crossing in steps by their values, inf where it is not reached.
  """

  title: str
  names: tuple[str, str]
  cells: Mapping[tuple[float, float], float]


def _varied(runs: Sequence[Run]) -> dict[str, set[Any]]:
  """The settings that differ between runs, with their values; those alone that tell runs apart."""
  names = dict.fromkeys(name for run in runs for name, _ in run.key if name != "method")
  values = {name: {run.values.get(name) for run in runs} for name in names}
  return {name: found for name, found in values.items() if len(found) > 1}


def _is_number(value: Any) -> bool:
  return isinstance(value, float | int) and not isinstance(value, bool)


def panels(runs: Sequence[Run]) -> tuple[list[Panel], int]:
  """The maps of every method of which two numeric hyperparameters or more vary.

  Across and upwards are the two with most values; each combination of the others is a
  panel, the first six of a method.

  Returns:
    The panels, and how many were left out.
  """
  result, left_out = [], 0
  ours = [run for run in runs if run.values]
  for method in dict.fromkeys(run.values["method"] for run in ours):
    group = [run for run in ours if run.values["method"] == method]
    varied = _varied(group)
    numeric = [n for n, v in varied.items() if all(map(_is_number, v))]
    if len(numeric) < 2:
      continue
    x, y = sorted(numeric, key=lambda name: -len(varied[name]))[:2]
    others = [name for name in varied if name not in (x, y)]
    found: dict[str, dict[tuple[float, float], list[Run]]] = {}
    for run in group:
      title = ", ".join([method, *(f"{name} {run.values[name]}" for name in others)])
      place = run.values[x], run.values[y]
      found.setdefault(title, {}).setdefault(place, []).append(run)
    all_of = [
      Panel(title, (x, y), {place: _median(runs) for place, runs in cells.items()})
      for title, cells in found.items()
    ]
    result += all_of[:MOST]
    left_out += len(all_of[MOST:])
  return result, left_out


def _median(runs: Sequence[Run]) -> float:
  return survival.quantile([survival.first_crossing(run) for run in runs], 0.5)


def draw(runs: Sequence[Run]) -> Figure | None:
  """The maps of all methods; None where there are none, as where there is no accuracy."""
  goals = runs[0].task.goals
  maps, left_out = panels(runs) if goals else ([], 0)
  if not maps:
    return None
  across, upwards = (max(len({key[i] for key in m.cells}) for m in maps) for i in (0, 1))
  columns = min(len(maps), COLUMNS)
  lines = math.ceil(len(maps) / columns)
  size = (max(3.2, 0.7 * across + 1) * columns + 1.2, (max(1.6, 0.45 * upwards) + 1.1) * lines)
  figure = Figure(figsize=size, layout="constrained")
  grid = figure.subplots(lines, columns, squeeze=False)
  for axes in grid.flat[len(maps) :]:
    axes.set_visible(False)
  seen = [step for m in maps for step in m.cells.values() if math.isfinite(step)]
  norm = LogNorm(min(seen, default=1), max(seen, default=1) * 1.001)
  images = [_panel(axes, m, norm) for axes, m in zip(grid.flat, maps, strict=False)]
  if seen:
    ticks = [float(f"{step:.2g}") for step in np.geomspace(min(seen), max(seen), 5)]
    bar = figure.colorbar(images[0], ax=grid, ticks=ticks, format="{x:,.0f}")
    bar.minorticks_off()
    bar.set_label(f"steps to {goal_text(goals[0])}")
  if left_out:
    figure.suptitle(f"the first {MOST} panels of each method; {left_out} more are left out")
  return figure


def _panel(axes: Any, panel: Panel, norm: LogNorm) -> Any:
  xs, ys = (sorted({key[i] for key in panel.cells}) for i in (0, 1))
  table = np.full((len(ys), len(xs)), np.nan)
  image = axes.imshow(table, cmap=COLORS, norm=norm, origin="lower", aspect="auto")
  for (x, y), step in panel.cells.items():
    column, row = xs.index(x), ys.index(y)
    table[row, column] = step if math.isfinite(step) else np.nan
    dark = math.isfinite(step) and float(norm(step)) < 0.5
    text = f"{step:,.0f}" if math.isfinite(step) else "-"
    axes.text(column, row, text, ha="center", va="center", color="white" if dark else "black")
  axes.set_facecolor(NOT_REACHED)
  image.set_data(np.ma.masked_invalid(table))
  axes.set_xticks(range(len(xs)), [f"{x:g}" for x in xs])
  axes.set_yticks(range(len(ys)), [f"{y:g}" for y in ys])
  axes.set(xlabel=panel.names[0], ylabel=panel.names[1])
  axes.set_title(panel.title, fontsize="medium", wrap=True)
  return image
