"""Tables, pictures and a page of many runs, always from their logs.

    python -m experiments.report experiments/results/modular

reads every run of an experiment in a folder, or the members of a sweep, and writes
there

* `table.md`: for each setting how many seeds, and the median and range of what the
  experiment looks at, as the step at which validation accuracy first reached 95 %,
  whether that was sustained, and how often it fell under 95 % again. A run that did not
  get there is counted, and stands behind all others in the median;
* `survival.md` and `survival.csv`: how many diverged or did not finish, the crossings'
  quartiles by Kaplan and Meier, the medians' intervals, and costs;
* `runs.csv`: a row for each run;
* `curves.png`, `together.png` of a few settings, and `heatmap.png` where two
  hyperparameters vary;
* `report.html`: all of it on one page.
"""

import dataclasses
import io
import itertools
import math
import shlex
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

import tyro
from matplotlib.figure import Figure

from experiments import cli, crossings, curves, fates, heatmap, made, page, tables
from experiments.cli import UsageError
from experiments.files import new_file
from experiments.logs import Run, by_setting, read_reference, read_runs, up_to
from experiments.wording import digits

REFERENCE = Path(__file__).parent / "results" / "reference_curves.json"


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


def _rows(runs: Sequence[Run]) -> list[tuple[str, ...]]:
  columns = runs[0].experiment.columns
  rows = [("setting", "of", "seeds", *columns)]
  for (setting, source), group in by_setting(runs).items():
    budgets = sorted({run.steps for run in group})
    if len(budgets) > 1:
      steps = " and ".join(f"{steps:,}" for steps in budgets)
      raise UsageError(f"{setting} has runs of {steps} steps: name a --budget that all have.")
    summaries = [fates.summary_of(run) for run in group]
    spreads = [spread(name, [s.get(name) for s in summaries]) for name in columns.values()]
    rows.append((setting, source, str(len(group)), *spreads))
    if published := group[0].published:
      theirs = [
        digits(name, published[name]) if name in published else "" for name in columns.values()
      ]
      rows.append((setting, "published", "1", *theirs))
  return rows


def table(runs: Sequence[Run], budget: int | None = None) -> str:
  """A Markdown table, a row for each setting and source, and what was published of it.

  Args:
    runs: of one experiment, with any settings.
    budget: leave out what comes after this step.

  Raises:
    UsageError: if the runs of a setting have several budgets.
  """
  return tables.markdown(_rows([up_to(run, budget) for run in runs]))


@dataclasses.dataclass(frozen=True)
class Settings:
  """Tables, pictures and a page of many runs, from their logs."""

  folder: tyro.conf.Positional[Path]
  """whose folders are the runs, or a sweep's"""
  reference: Path | None = REFERENCE
  """recorded curves of the official code, beside ours where the settings are the same"""
  budget: int | None = None
  """leave out what comes after this step"""


def _png(figure: Figure) -> bytes:
  content = io.BytesIO()
  figure.savefig(content, format="png", dpi=100)
  return content.getvalue()


def _how(settings: Settings, ours: Sequence[Run]) -> page.How:
  given = {"reference": settings.reference, "budget": settings.budget}
  usual = {"reference": REFERENCE, "budget": None}
  told = [[f"--{name}", str(v)] for name, v in given.items() if v != usual[name]]
  command = ["python", "-m", "experiments.report", str(settings.folder), *itertools.chain(*told)]
  return page.How(shlex.join(command), made.commands(ours), made.environments(ours))


def _title(ours: Sequence[Run]) -> str:
  """What the page is of, as "modular, 25 runs of 3 settings"."""
  counts = {"run": len(ours), "setting": len({run.setting for run in ours})}
  runs, settings = (f"{count} {name}{'s' * (count != 1)}" for name, count in counts.items())
  return f"{ours[0].experiment.name}, {runs} of {settings}"


def run(settings: Settings) -> None:
  """Writes the files and prints the table.

  Raises:
    UsageError: if the folder has no runs that can be told together, or damaged files.
    OSError: naming the file that could not be written.
  """
  ours = [up_to(run, settings.budget) for run in read_runs(settings.folder)]
  both = list(ours)
  if settings.reference:
    known = {run.setting for run in ours}
    theirs = [run for run in read_reference(settings.reference) if run.setting in known]
    both += [up_to(run, settings.budget) for run in theirs]
  results = _rows(both)
  records = crossings.statistics_of(both)
  survival, legend = crossings.rows(records), crossings.legend(both)
  few = 1 < len({run.setting for run in ours}) <= curves.MOST_TOGETHER
  figures = {
    "together.png": curves.together(ours) if few else None,
    "curves.png": curves.draw(both),
    "heatmap.png": heatmap.draw(ours),
  }
  pictures = {name: _png(figure) for name, figure in figures.items() if figure}
  text = tables.markdown(results)
  written = {
    "table.md": text,
    "survival.md": tables.markdown(survival) + tables.definitions(legend),
    "survival.csv": tables.as_csv(records),
    "runs.csv": tables.as_csv(fates.records_of(ours)),
    "report.html": page.of_report(
      _title(ours), results, survival, legend, pictures, _how(settings, ours)
    ),
  }
  for name, content in (pictures | {n: t.encode() for n, t in written.items()}).items():
    with new_file(settings.folder / name) as part:
      part.write_bytes(content)
  print(text, end="")
  print(f"report: {settings.folder / 'report.html'}", file=sys.stderr)


def main(argv: Sequence[str] | None = None) -> int:
  """The command line; returns the exit code."""
  prog = "python -m experiments.report"
  return cli.run_main(lambda: run(cli.parse(Settings, argv, prog)))


if __name__ == "__main__":
  sys.exit(main())
