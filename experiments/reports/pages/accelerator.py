"""What the page on speed says of the one GPU that was seen."""

import json
from collections.abc import Iterable, Sequence

from experiments.files import RESULTS
from experiments.reports import tables
from experiments.reports.pages.benchmarks import ADAMW, FORMS, TORCH, Row, parts, read, told
from experiments.reports.pages.markers import block
from experiments.reports.pages.modular import BESIDE, EMA, median, runs_of
from experiments.reports.read import Run, read_runs, up_to

BOUND, MOVES, WORD = "of the bound", "moves at least, MB", {"scan": "scan", "jit": "calls"}
BLOCKS = "ma 100 in 10"
SEEDS = RESULTS / "accelerator_seeds"


def _rows(name: str) -> list[Row]:
  return read(f"{name}-gpu")["rows"]


def _steps() -> dict[tuple, Row]:
  """The rows by form and filter."""
  return {at: row for at, (row,) in parts(_rows("filter_step"), "form", "filter").items()}


def _both(filter: str, figure: str) -> list[float]:
  """The medians in a scan and as calls."""
  values = (_steps()[form, filter][figure] for form in FORMS)
  return [value[0] if isinstance(value, list) else value for value in values]


def _bytes_say(filter: str) -> float:
  """What a step moves at least, over what AdamW does."""
  return _both(filter, MOVES)[0] / _both("adamw", MOVES)[0]


def _range(values: Iterable[float], digits: int = 2) -> str:
  """
  >>> _range([1.261, 1.258]), _range([2.86, 2.56])
  ('1.26', '2.56 to 2.86')
  """
  found = sorted(values)
  return " to ".join(dict.fromkeys(f"{end:.{digits}f}" for end in (found[0], found[-1])))


@block("accelerator_filters_table")
def filters_table() -> str:
  columns = (MOVES, "bandwidth, GB/s", BOUND, "torch, fused, ms", TORCH)
  return tables.of_records(
    [
      {
        "filter": filter,
        "in": WORD[form],
        "ms a step": row["ms a step"],
        ADAMW: row[ADAMW],
        "the bytes say": _bytes_say(filter),
        **{name: row.get(name) for name in columns},
      }
      for (form, filter), row in sorted(
        _steps().items(), key=lambda at: list(FORMS).index(at[0][0])
      )
    ]
  )


@block("accelerator_members_table")
def members_table() -> str:
  return tables.of_records(_rows("population"))


@block("accelerator_bound")
def bound() -> str:
  return (
    f"{_range(_both('adamw', BOUND))} of it, and torch's fused AdamW is "
    f"{_range((1 / ratio for ratio in _both('adamw', TORCH)), 1)} times faster than XLA's"
  )


@block("accelerator_extra")
def extra() -> str:
  def one(name, filter):
    return f"{name} {_range(_both(filter, ADAMW))} where they say {_bytes_say(filter):.2f}"

  windows = [value for window in (10, 100) for value in _both(f"ma {window}", ADAMW)]
  return (
    f"{one('EMA', 'ema')}; MA {_range(windows)}, of {_bytes_say('ma 10'):.2f}; "
    f"{one('IIR of order 2', 'iir 2')}; {one('MA of 100 in ten blocks', BLOCKS)}"
  )


@block("accelerator_targets")
def targets() -> str:
  found = _steps()
  least = sorted(row[BOUND][0] for row in found.values())
  flat = [
    max(pair) / min(pair)
    for pair in zip(*(_both(f"ma {window}", ADAMW) for window in (10, 100)), strict=True)
  ]
  small, large = (_both(f"ma {window}", TORCH) for window in (10, 100))
  alone, _, many = (_members(count)["times torch"] for count in (1, 16, 64))
  return tables.markdown(
    [
      ("", "target", "measured", ""),
      (
        "a step over the least time that its bytes take",
        "≤ 1.15",
        f"{1 / least[-1]:.1f} to {1 / least[0]:.1f}; AdamW alone "
        f"{_range((1 / share for share in _both('adamw', BOUND)), 1)}",
        _met(1 / least[0] <= 1.15),
      ),
      (
        "MA: windows 10 and 100",
        "within 10 %",
        f"within {100 * (max(flat) - 1):.1f} %",
        _met(max(flat) <= 1.1),
      ),
      (
        "MA, window 100, against the reference's way in torch",
        "≥ 10 times faster",
        f"{_range(large, 0)} times; window 10 {_range(small, 1)}",
        _met(min(large) >= 10),
      ),
      (
        "steps a second with validations, against the torch loop",
        "≥ 10",
        told(alone, 1),
        _met(alone[0] >= 10),
      ),
      (
        "64 members' steps a second, against the torch loop's",
        "≥ 100",
        told(many, 0),
        _met(many[0] >= 100),
      ),
      (
        "state over the least possible",
        "≤ 1.05",
        _state(),
        _met(max(row["over the least"] for row in _rows("memory")) <= 1.05),
      ),
    ]
  )


def _met(holds: bool) -> str:
  return "met" if holds else "missed"


def _members(count: int) -> Row:
  (row,) = parts(_rows("population"), "members", "operands")[count, "float32"]
  return row


def _state() -> str:
  """Blocks are sums in float32, of narrow parameters too."""
  by = parts(_rows("memory"), "dtype")
  wide, others, blocks = (
    max(row["over the least"] for row in rows)
    for rows in (
      by[("float32",)],
      [row for row in by[("bfloat16",)] if " in " not in row["filter"]],
      [row for row in by[("bfloat16",)] if " in " in row["filter"]],
    )
  )
  return f"{max(wide, others):.2f}; blocks of bfloat16 parameters {blocks:.2f}"


@block("accelerator_memory")
def memory() -> str:
  found = parts(_rows("memory"), "dtype", "filter")

  def most(dtype: str, *filters: str) -> str:
    name = "temporary, in parameters"
    return f"{max(row[name] for f in filters for row in found[dtype, f]):.1g}"

  ours = (BLOCKS, "fir 10")
  return (
    f"{most('float32', *ours)} times the parameters, of bfloat16 ones up to "
    f"{most('bfloat16', *ours)} times; MA needs {most('bfloat16', 'ma 100')}"
  )


def _crossings(runs: Sequence[Run]) -> str:
  reached = [run.summary["val_95_step"] for run in runs]
  there = [step for step in reached if step is not None]
  late = len(reached) - len(there)
  return (
    f"{median(reached):,.0f} (median of {len(reached)} seeds; {min(there):,} to {max(there):,}, "
    f"and {late} not)"
  )


@block("accelerator_seeds")
def seeds() -> str:
  cpus = [up_to(run, BESIDE) for run in runs_of("modular") if run.setting == EMA]
  return f"{_crossings(read_runs(SEEDS))}, on a CPU {_crossings(cpus)}"


@block("accelerator_sweep")
def sweep() -> str:
  summary = json.loads((SEEDS / "summary.json").read_text())
  alone = _members(64)["member-steps/s"]
  return (
    f"{summary['seconds']:.1f} seconds after {summary['compile_seconds']:.0f} of compilation: "
    f"{summary['member_steps_per_second']:,.0f} member-steps a second, where the benchmark, which "
    f"waits for the device after each epoch, has {alone[0]:,.0f}"
  )


@block("accelerator_front")
def front() -> str:
  alone, many = (_members(count)["times torch"] for count in (1, 64))
  ema, ma = (_range(_both(filter, ADAMW)) for filter in ("ema", "ma 100"))
  faster = _range(_both("ma 100", TORCH), 0)
  return (
    f"EMA {ema} and MA {ma} times AdamW alone at 20 M parameters, MA {faster} times faster than in "
    f"PyTorch, in a scan and as calls; training {alone[0]:.0f} times as many steps a second as the "
    f"reference's loop, with 64 members side by side {many[0]:.0f} times"
  )
