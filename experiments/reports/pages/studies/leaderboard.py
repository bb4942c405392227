"""What the benchmark's page says: every method's figures on each operation, and what it costs."""

import functools
import json
import statistics
from collections.abc import Callable, Sequence

from experiments.files import RESULTS
from experiments.reports import results, tables
from experiments.reports.pages.markers import block
from experiments.reports.pages.studies.grids import SIGNS, runs_of
from experiments.reports.pages.studies.ranked import DIPS, FIRST, HELD, high_median, share, spread
from experiments.reports.pages.studies.scores import (
  NEVER,
  RECIPE,
  STUDY,
  by_operation,
  held,
  held_for,
  holding,
  methods,
  told,
  worst,
)
from experiments.reports.read import Run
from experiments.reports.words import listed, spelled
from experiments.runs.outcomes import STEPS_AFTER
from experiments.runs.settings import from_file

COSTS = RESULTS / "benchmarks" / "leaderboard-cpu.json"
AGAINST = "adamw"


def _table(names: Sequence[str]) -> str:
  """From when each holds 95 % on each operation."""
  rows: list[tuple[str, ...]] = [("method", "seeds", *SIGNS.values())]
  for name in names:
    groups = by_operation(name)
    rows.append((name, str(len(groups[0])), *(spread(runs, HELD) for runs in groups)))
  return tables.markdown(rows)


def _short(names: Sequence[str]) -> str:
  """The median first crossing on each operation; how many cross in time to hold it, and do."""
  budget = runs_of(STUDY, names[0])[0].steps
  header = "method", *SIGNS.values(), f"95 % by step {budget - STEPS_AFTER}", "and held to the end"
  rows: list[tuple[str, ...]] = [header]
  for name in names:
    groups = by_operation(name)
    middle = [high_median(run.summary[FIRST] for run in runs) for runs in groups]
    runs = runs_of(STUDY, name)
    in_time = sum((run.summary[FIRST] or NEVER) <= run.steps - STEPS_AFTER for run in runs)
    rows.append((name, *map(_step, middle), f"{in_time} of {len(runs)} runs", str(holding(name))))
  return tables.markdown(rows)


def _step(step: float | None) -> str:
  return "-" if step is None else f"{step:,.0f}"


def _figures(names: Sequence[str]) -> str:
  """All figures, over the runs of the four operations together."""
  rows: list[tuple[str, ...]] = [
    (
      "method",
      "runs",
      "95 %",
      f"95 % for {STEPS_AFTER} steps",
      "95 % held",
      "99 % held",
      "below it after",
      "lowest after",
    )
  ]
  for name in names:
    runs = runs_of(STUDY, name)
    steps = [held_for(run, STEPS_AFTER) for run in runs], [held(run, 0.99) for run in runs]
    for_long, higher = (results.spread(FIRST, each) for each in steps)
    figures = spread(runs, FIRST), for_long, spread(runs, HELD), higher
    rows.append((name, str(len(runs)), *figures, *_lost(runs)))
  return tables.markdown(rows)


def _lost(runs: Sequence[Run]) -> tuple[str, str]:
  """Of evaluations after the first crossing the share below it, and the lowest: median runs."""
  shares, lowest = [], []
  for run in runs:
    first = run.summary[FIRST] or NEVER
    if after := [record["val_accuracy"] for record in run.records if record["step"] > first]:
      shares.append((run.summary[DIPS] or 0) / len(after))
      lowest.append(min(after))
  if not lowest:
    return "-", "-"
  ends = f"{100 * min(lowest):.0f} to {100 * max(lowest):.0f}"
  share, low = (100 * statistics.median(values) for values in (shares, lowest))
  return f"{share:.0f} %", f"{low:.0f} % ({ends})"


def _costs(names: Sequence[str]) -> str:
  """What a step costs, and what is spent to the median first crossing of all runs, and held."""
  measured = {row["setting"]: row for row in json.loads(COSTS.read_text())["rows"]}
  header = "ms a step", "GFLOP a step", "arrays", "steps", "examples", "GFLOP", "seconds"
  rows: list[tuple[str, ...]] = [("method", *header, "seconds to held")]
  for name in names:
    if (cost := measured.get(name)) is None:  # not measured yet
      rows.append((name, *["not measured"] * 3, *["-"] * (len(header) - 2)))
      continue
    pace, work = cost["ms a step"][0], cost["GFLOP a step"]
    own = f"{pace:.1f}", f"{work:.2f}", f"{cost['state arrays']:.0f}"
    runs = runs_of(STUDY, name)
    step, kept = (high_median(run.summary[figure] for run in runs) for figure in (FIRST, HELD))
    spent = ["-"] * 4
    if step is not None:
      examples = _examples(runs[0], int(step))
      spent = [f"{step:,}", f"{examples:,}", f"{step * work:,.0f}", f"{step * pace / 1e3:.1f}"]
    rows.append((name, *own, *spent, "-" if kept is None else f"{kept * pace / 1e3:.1f}"))
  return tables.markdown(rows)


def _examples(run: Run, step: int) -> int:
  """How many pairs were trained on: the last batch of an epoch is smaller than the others."""
  task = from_file(run.task.name, run.values).of_task
  epochs, batches = divmod(step, -(-task.training // task.batch_size))
  return epochs * task.training + batches * task.batch_size


@block("benchmark_machines")
def benchmark_machines() -> str:
  """How long the recipe trains until it holds, on each machine that was measured."""
  found = []
  for file in (COSTS, *sorted(COSTS.parent.glob(f"{COSTS.stem}-*.json"))):
    form = json.loads(file.read_text())
    (pace,) = (row["ms a step"][0] for row in form["rows"] if row["setting"] == RECIPE)
    kept = high_median(run.summary[HELD] for run in runs_of(STUDY, RECIPE)) or NEVER
    found.append(f"{kept * pace / 1e3:.1f} s on one with {form['environment']['processor']}")
  return listed(found)


def _pairs(names: Sequence[str]) -> str:
  """Each against tuned AdamW."""
  words = f"95 % held, to {AGAINST}'s", "runs that hold", f"95 %, to {AGAINST}'s", "runs that cross"
  rows: list[tuple[str, ...]] = [("method", *words)]
  for name in names:
    runs, cells = runs_of(STUDY, name), [name]
    for figure in (HELD, FIRST):
      ratio = "" if name == AGAINST else told(name, AGAINST, figure)
      cells += [ratio, share(runs, figure)]
    rows.append(tuple(cells))
  return tables.markdown(rows)


def _of_track(text: Callable[[Sequence[str]], str], track: str) -> str:
  return text(methods(reference=track == "reference"))


TABLES = {
  "reference": (_table, _short, _figures, _pairs, _costs),
  "open": (_table, _figures, _costs),
}
for _track, _texts in TABLES.items():
  for _text in _texts:
    block(f"benchmark_{_track}{_text.__name__}")(functools.partial(_of_track, _text, _track))


@block("benchmark_not_held")
def benchmark_not_held() -> str:
  """Why runs of the reference track's methods, but ours, do not hold."""
  names = [name for name in methods(reference=True) if name != RECIPE]
  runs = [run for name in names for run in runs_of(STUDY, name) if run.summary[HELD] is None]
  first = [run.summary[FIRST] for run in runs]
  last = runs[0].steps - STEPS_AFTER
  late = sum(step is not None and step > last for step in first)
  never = first.count(None)
  return (
    f"of {len(runs)} runs that do not hold {never} never cross, {late} cross after "
    f"step {last}, and {len(runs) - never - late} cross by then and are below it later"
  )


@block("benchmark_open_epochs")
def benchmark_open_epochs() -> str:
  """Of the slowest operation's median; evaluations are an epoch apart."""
  name, *_ = methods(reference=False)
  step, epoch = int(worst(name)), runs_of(STUDY, name)[0].records[0]["step"]
  return f"{step} steps, which are {spelled(step // epoch)} epochs"


@block("benchmark_front")
def benchmark_front() -> str:
  name, *_ = methods(reference=False)
  groups = by_operation(name)
  return f"95 % from step {int(worst(name))} on, at the median of {len(groups[0])} seeds"
