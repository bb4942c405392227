"""The table and the picture of a study."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from experiments.files import new_file
from experiments.reports import results
from experiments.reports.read import Run, by_setting
from experiments.studies.study import Study, read


def settings_of(parts: Mapping[str, Sequence[Run]]) -> list[tuple[str, str, list[Run]]]:
  """Each part's settings in words, with their runs."""
  return [
    (name, setting, runs)
    for name, part in parts.items()
    for (setting, _), runs in by_setting(part).items()
  ]


def table(study: Study, out: Path) -> str:
  """A table for each part, in Markdown."""
  told = []
  for name, runs in read(study, out).items():
    told += [f"### {name}", "", results.table(runs)]
  return "\n".join(told)


def picture(rows: Sequence[tuple[str, str, Sequence[Run]]]) -> Figure:
  """A line for each setting: first crossings of its seeds as dots, from when they held as rings.

  Those that did not get there stand at the right edge, beyond the longest budget.
  """
  drawn = Figure(figsize=(9, 1.2 + 0.22 * len(rows)), layout="constrained")
  axes = drawn.add_subplot(xlabel="optimization steps to 95 % validation accuracy", xscale="log")
  never = 1.35 * max(run.steps for _, _, runs in rows for run in runs)
  for y, (_, _, runs) in enumerate(rows):
    for figure, style in (
      ("val_95_step", {"color": "C0", "s": 18}),
      ("val_95_sustained_step", {"facecolors": "none", "edgecolors": "C1", "s": 42}),
    ):
      steps = [never if (s := run.summary[figure]) is None else s for run in runs]
      axes.scatter(steps, [y] * len(steps), label=None if y else _LABELS[figure], **style)
  axes.axvline(never, color="gray", linewidth=0.8, linestyle=":")
  axes.set_yticks(range(len(rows)), [f"{name}: {setting}" for name, setting, _ in rows])
  axes.tick_params(axis="y", labelsize=7)
  axes.invert_yaxis()
  axes.legend(fontsize="small", loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False)
  return drawn


_LABELS = {"val_95_step": "first crossing", "val_95_sustained_step": "sustained from"}


def write(study: Study, out: Path) -> None:
  """Prints the table, and writes the picture where there is anything of the goal to be seen."""
  parts = {
    name: runs for name, runs in read(study, out).items() if "val_95_step" in runs[0].summary
  }
  print(table(study, out))
  if parts:
    with new_file(out / f"{study.name}.png") as part:
      picture(settings_of(parts)).savefig(part, format="png", dpi=110)
    print(f"picture: {out / study.name}.png")
