"""What the pages say of the committed benchmarks of speed and memory."""

import functools
import json
import statistics
from collections.abc import Sequence
from typing import Any, TypeAlias

from experiments.files import RESULTS
from experiments.reports import tables
from experiments.reports.pages.markers import block
from experiments.reports.words import spelled

FOLDER = RESULTS / "benchmarks"
STEPS = (
  "filter_step",
  "filter_step_124M",
  "filter_step_124M_bfloat16_scan",
  "filter_step_124M_bfloat16",
)
ADAMW, TORCH = "times AdamW", "torch, fused: times ours"
PLACE = ("size", "dtype", "form")
FORMS = {"scan": "a scan of steps", "jit": "each step a call"}
Row: TypeAlias = dict[str, Any]


@functools.cache
def read(name: str) -> Any:
  """A benchmark's file."""
  return json.loads((FOLDER / f"{name}.json").read_text())


def rows(*names: str) -> list[Row]:
  """The rows of benchmarks on a CPU."""
  return [row for name in names for row in read(f"{name}-cpu")["rows"]]


def parts(rows: Sequence[Row], *names: str) -> dict[tuple, list[Row]]:
  """The rows without what is the same in a table, by that."""
  found: dict[tuple, list[Row]] = {}
  for row in rows:
    rest = {name: value for name, value in row.items() if name not in names}
    found.setdefault(tuple(row[name] for name in names), []).append(rest)
  return found


def step(filter: str, figure: str, size: str = "20M", form: str = "scan") -> Sequence[float]:
  """A filter's median and range in float32."""
  (row,) = parts(rows(*STEPS), *PLACE, "filter")[size, "float32", form, filter]
  return row[figure]


def again(filter: str, figure: str) -> list[float]:
  """The medians of the further runs, in order of size."""
  return sorted(row[figure][0] for row in parts(rows("filter_step_again"), "filter")[(filter,)])


def told(spread: Sequence[float], digits: int = 2) -> str:
  """
  >>> told([1.5, 0.98, 1.704])
  '1.50 (0.98 to 1.70)'
  """
  median, low, high = (f"{value:.{digits}f}" for value in spread)
  return f"{median} ({low} to {high})"


def more(filter: str, figure: str) -> str:
  """The further runs on the front page."""
  found = again(filter, figure)
  count = spelled(len(found))
  return f"in {count} more runs {found[0]:.2f} to {found[-1]:.2f} at the median"


def table(name: str):
  """A block that is all of a benchmark."""
  block(f"{name}_table")(lambda: tables.of_records(rows(name)))


table("filter_step_again")
table("population")
table("start_up")


@block("filter_tables")
def filter_tables() -> str:
  found = parts(rows(*STEPS), *PLACE)
  order = ("float32", "bfloat16", "modular", "20M", "124M", *FORMS)
  places = sorted(found, key=lambda place: [order.index(place[i]) for i in (1, 0, 2)])
  return "\n".join(
    f"{size}, {dtype}, {FORMS[form]}:\n\n{tables.of_records(found[size, dtype, form])}"
    for size, dtype, form in places
  )


@block("memory_table")
def memory_table() -> str:
  return tables.of_records(parts(rows("memory"), *PLACE)["20M", "float32", "scan"])


@block("windows_table")
def windows_table() -> str:
  columns = ("window", "ms a step", ADAMW)
  found = [row for row in rows("growth") if "window" in row]
  return tables.of_records([{name: row[name] for name in columns} for row in found])


@block("time_to_95_table")
def time_to_95_table() -> str:
  return tables.of_records([time_to_95(who) for who in ("ours, cold", "ours, warm", "torch")])


def time_to_95(who: str) -> Row:
  """Median and range of each figure; a run that did not get there is counted."""
  found = [row for row in rows("time_to_95") if row["who"] == who]
  result: Row = {"who": who, "runs": len(found)}
  result["not there"] = sum("step" not in row for row in found)
  for figure in ("first look", "step", "to 95 %"):
    values = sorted(row[figure] for row in found if figure in row)
    result[figure] = [statistics.median(values), values[0], values[-1]] if values else None
  return result


# The front page.


@block("ema_over_adamw")
def ema_over_adamw() -> str:
  return f"{told(step('ema', ADAMW))}; {more('ema', ADAMW)}"


@block("ma_over_adamw")
def ma_over_adamw() -> str:
  return f"{told(step('ma 100', ADAMW))}; {more('ma 100', ADAMW)}"


@block("over_adamw_front")
def over_adamw_front() -> str:
  ema, ma = (told(step(name, ADAMW)) for name in ("ema", "ma 100"))
  return f"EMA takes {ema} times AdamW's alone at 20 M parameters, with MA {ma} times"


@block("ma_against_torch_small")
def ma_against_torch_small() -> str:
  scan, call = (told(step("ma 100", TORCH, "modular", form), 1) for form in FORMS)
  return f"{scan} times faster; each step a call, {call}"


@block("ma_against_torch_large")
def ma_against_torch_large() -> str:
  return f"{told(step('ma 100', TORCH))} times faster; {more('ma 100', TORCH)}"


@block("state_over_least")
def state_over_least() -> str:
  return f"{max(row['over the least'] for row in rows('memory')):.2f}"


def pace(operands: str) -> Sequence[float]:
  """Steps a second over the torch loop's."""
  (row,) = parts(rows("population"), "members", "operands")[1, operands]
  return row["times torch"]


@block("pace_against_torch")
def pace_against_torch() -> str:
  return told(pace("float32"))


@block("bfloat16_against_torch")
def bfloat16_against_torch() -> str:
  return told(pace("bfloat16"))


@block("seconds_to_95")
def seconds_to_95() -> str:
  cold, warm, torch = (
    told(time_to_95(who)["to 95 %"], 1) for who in ("ours, cold", "ours, warm", "torch")
  )
  return f"{cold}; with a warm compilation cache {warm}; PyTorch {torch}"


@block("import_time")
def import_time() -> str:
  found = read("import_time")
  low, high = (100 * ratio for ratio in found["ratio_range"])
  return (
    f"adds {100 * found['ratio']:.1f} % to `import optax` (median of {found['processes']} "
    f"processes, {low:.1f} to {high:.1f} %; `python -m experiments.benchmarks.import_time`)"
  )


@block("steps_per_second")
def steps_per_second() -> str:
  medians = {n: each["median"] for n, each in read("steps_per_second")["steps_per_second"].items()}
  return (
    f"modular {medians['modular']:.1f}, MNIST {medians['mnist']:,.0f}, QM9 {medians['qm9']:,.0f}, "
    f"IMDb {medians['imdb']:.1f}"
  )
