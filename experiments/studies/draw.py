"""The table and the picture of a study."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from experiments.files import new_file
from experiments.reports import figures, results
from experiments.reports.pages.studies.grids import SIGNS, plain, split
from experiments.reports.pages.studies.ranked import FIRST, HELD, rank
from experiments.reports.read import Run, by_setting
from experiments.runs import identity, settings
from experiments.studies.study import Study, read

STYLES: tuple[tuple[str, str, dict[str, Any]], ...] = (
  (FIRST, "first crossing", {"color": "C0", "s": 18}),
  (HELD, "sustained from", {"facecolors": "none", "edgecolors": "C1", "s": 42}),
)
MOST = 12  # settings of a part that is drawn; larger ones are grids


def settings_of(parts: Mapping[str, Sequence[Run]]) -> list[tuple[str, list[Run]]]:
  """The settings of the parts that are no grids, in words, the best of each part first."""
  found = []
  for part in parts.values():
    groups = [(_name(setting, runs), runs) for (setting, _), runs in by_setting(part).items()]
    if len(groups) <= MOST:
      found += sorted(groups, key=lambda group: rank(group[1]))
  return found


def _name(setting: str, runs: Sequence[Run]) -> str:
  task = runs[0].task.name
  return plain(setting) if task == "modular" else f"{task}: {plain(setting)}"


def methods_of(parts: Mapping[str, Sequence[Run]]) -> list[tuple[str, list[Run]]]:
  """Each part's runs on each operation, by the part's name, the best part first."""
  best_first = sorted(parts, key=lambda name: rank(parts[name]))
  return [
    (f"{name} {SIGNS[operation]}", runs)
    for name in best_first
    for operation, runs in split(parts[name]).items()
  ]


def table(study: Study, out: Path) -> str:
  """A table for each part, in Markdown."""
  told = []
  for name, runs in read(study, out).items():
    told += [f"### {name}", "", results.table(runs)]
  return "\n".join(told)


def picture(rows: Sequence[tuple[str, Sequence[Run]]]) -> Figure:
  """A line for each setting: first crossings of its seeds as dots, from when they held as rings.

  Those that did not get there stand at the right edge, beyond the longest budget. A run that was
  ended because it held has no ring: what would have come later is not known.
  """
  lines = sum(-(-len(name) // 75) for name, _ in rows)
  drawn = Figure(figsize=(9, 1.2 + 0.2 * lines), layout="constrained")
  axes = drawn.add_subplot(xlabel="optimization steps to 95 % validation accuracy", xscale="log")
  never = 1.35 * max(run.steps for _, runs in rows for run in runs)
  for y, (_, runs) in enumerate(rows):
    for figure, label, style in STYLES:
      told = [run for run in runs if figure == FIRST or run.ended != "held"]
      steps = [never if (s := run.summary[figure]) is None else s for run in told]
      axes.scatter(steps, [y] * len(steps), label=None if y else label, **style)
  axes.axvline(never, color="gray", linewidth=0.8, linestyle=":")
  above = {"ha": "center", "va": "bottom", "transform": axes.get_xaxis_transform()}
  axes.text(never, 1.01, "not reached", fontsize=7, color="gray", **above)
  axes.set_yticks(range(len(rows)), [textwrap.fill(name, 75) for name, _ in rows])
  axes.tick_params(axis="y", labelsize=7)
  axes.set_ylim(len(rows) - 0.5, -0.5)
  axes.legend(fontsize="small", loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False)
  return drawn


def curves(runs: Sequence[Run]) -> Figure:
  """Validation accuracy of each setting; dotted lines where a source has its first crossing."""
  drawn = figures.together(runs)
  (axes,) = drawn.axes
  published = {run.values["method"]: run.published.get(FIRST) for run in runs}
  baseline = settings.make("modular", method="baseline")  # the paper's, without a filter
  published["baseline"] = identity.published(baseline)[FIRST]
  for method, step in published.items():
    if step:
      axes.axvline(step, color="gray", linestyle=":", linewidth=1)
      axes.text(
        step, 0.5, f" {method}, published", rotation=90, fontsize=7, va="center", ha="right"
      )
  return drawn


def write(study: Study, out: Path) -> None:
  """Prints the table, and writes the picture where there is anything of the goal to be seen."""
  parts = {name: runs for name, runs in read(study, out).items() if FIRST in runs[0].summary}
  print(table(study, out))
  if rows := methods_of(parts) if study.by_part else settings_of(parts):
    all_runs = [run for runs in parts.values() for run in runs]
    drawn = curves(all_runs) if study.curves else picture(rows)
    with new_file(out / f"{study.name}.png") as part:
      drawn.savefig(part, format="png", dpi=100)
    print(f"picture: {out / study.name}.png")
