"""Tables of the studies' runs: ranked settings, two settings across and down, operations."""

import functools
import re
from collections.abc import Mapping, Sequence

from experiments.files import RESULTS
from experiments.reports import tables
from experiments.reports.pages.studies.ranked import DIPS, FIRST, HELD, high_median, rank, spread
from experiments.reports.read import Run, by_setting, read_runs

SIGNS = {"add": "+", "sub": "−", "mul": "×", "div": "÷"}


@functools.cache
def runs_of(study: str, part: str) -> list[Run]:
  """The committed runs of a part."""
  return read_runs(RESULTS / "studies" / study / part)


def grouped(study: str, *parts: str) -> dict[str, list[Run]]:
  """The runs of each setting of some parts, by the setting's words."""
  return {
    plain(name): runs
    for part in parts
    for (name, _), runs in by_setting(runs_of(study, part)).items()
  }


def plain(setting: str) -> str:
  """A setting's words without what is the same in all of a table.

  >>> plain("grokfast_ema mul, lamb 1000000.0, eval_every 5, learning_rate 0.09999999999999999")
  'grokfast_ema, lamb 1e+06, learning_rate 0.1'
  """
  told = re.sub(r" mul(?=,|$)|, eval_every \d+|, stop_when_held \d+", "", setting)
  return re.sub(r"\d+\.\d{4,}|\d{6,}\.0", lambda m: f"{float(m[0]):.3g}", told)


def ranked(groups: Mapping[str, Sequence[Run]]) -> str:
  """A table of settings, the best first."""
  rows: list[tuple[str, ...]] = [("setting", "seeds", "budget", "95 %", "sustained", "dips")]
  for name, runs in sorted(groups.items(), key=lambda item: rank(item[1])):
    figures = (spread(runs, figure) for figure in (FIRST, HELD, DIPS))
    rows.append((name, str(len(runs)), f"{runs[0].steps:,}", *figures))
  return tables.markdown(rows)


def matrix(runs: Sequence[Run], row: str, column: str, corner: str) -> str:
  """Medians of the first crossing by two settings, and in how many seeds there is none."""
  across = sorted({run.values[column] for run in runs})
  found: list[tuple[str, ...]] = [(corner, *(f"{value:g}" for value in across))]
  for value in sorted({run.values[row] for run in runs}):
    cells = []
    for other in across:
      group = [run for run in runs if (run.values[row], run.values[column]) == (value, other)]
      steps = [run.summary[FIRST] for run in group]
      missing, middle = sum(step is None for step in steps), high_median(steps)
      text = "-" if middle is None else f"{middle:,}"
      cells.append(f"{text} ({missing} not)" if 0 < missing < len(steps) else text)
    found.append((f"{value:g}", *cells))
  return tables.markdown(found)


def split(runs: Sequence[Run]) -> dict[str, list[Run]]:
  """The runs of each operation, by its name."""
  return {name: [run for run in runs if run.values["operation"] == name] for name in SIGNS}


def cells_by_operation(study: str, part: str, figure: str = FIRST) -> list[str]:
  """A figure's spread on each operation."""
  return [spread(runs, figure) for runs in split(runs_of(study, part)).values()]


def first_medians(study: str, part: str) -> dict[str, float | None]:
  """The median first crossing of each operation."""
  return {
    name: high_median(run.summary[FIRST] for run in runs)
    for name, runs in split(runs_of(study, part)).items()
  }
