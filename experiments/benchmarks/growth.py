"""How a step's cost grows with the window, the parameters and the members: a picture.

    python -m experiments.benchmarks.growth

Windows from 1 to 10,000 at 10^5 parameters, and 10^4 to 10^8 parameters, each beside AdamW
alone in the same run. The members are those of `population`, if it ran.
"""

import importlib.util
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from experiments.benchmarks import cases, filter_step, tools
from experiments.benchmarks.cases import KINDS

WINDOWS = (1, 10, 100, 1_000, 10_000)
AT = 100_000  # parameters, for the windows
PARAMETERS = tuple(10**n for n in range(4, 9))
FILTERS = ("adamw", "ema", "ma 10")
FORM = "scan"


def _params(count: int) -> list[jax.ShapeDtypeStruct]:
  """So many, in matrices of at most a million."""
  rows = min(count, 1_000_000) // 100
  return [jax.ShapeDtypeStruct((rows, 100), jnp.float32)] * -(-count // 1_000_000)


def by_window(seconds: float) -> list[dict[str, Any]]:
  """A row for each window."""
  kinds = {f"ma {window}": cases.ma(window) for window in WINDOWS}
  rows = filter_step.rows_of(_params(AT), FORM, kinds, seconds)
  return [{"window": window, **row} for window, row in zip(WINDOWS, rows, strict=True)]


def by_parameters(seconds: float) -> list[dict[str, Any]]:
  """A row for each number of parameters and filter."""
  kinds = {name: KINDS[name] for name in FILTERS}
  return [
    {"parameters": count, **row}
    for count in PARAMETERS
    for row in filter_step.rows_of(_params(count), FORM, kinds, seconds)
  ]


def draw(rows: Sequence[dict[str, Any]], members: Sequence[dict[str, Any]], file: Path) -> None:
  """Writes the picture."""
  from matplotlib.figure import Figure  # what measures does without

  figure = Figure(figsize=(12, 3.6), layout="constrained")
  windows, sizes, population = figure.subplots(1, 3)

  ran = [row for row in rows if "window" in row and "times AdamW" in row]
  medians, lows, highs = zip(*(row["times AdamW"] for row in ran), strict=True)
  windows.plot([row["window"] for row in ran], medians, "o-")
  windows.fill_between([row["window"] for row in ran], lows, highs, alpha=0.2)
  title = f"MA before AdamW, {AT:,} parameters"
  windows.set(
    xscale="log", xlabel="window", ylabel="times AdamW alone", title=title, ylim=(0, None)
  )
  for name in FILTERS:
    chosen = [row for row in rows if "parameters" in row and row["filter"] == name]
    chosen = [row for row in chosen if "ms a step" in row]
    times = [row["ms a step"] for row in chosen]
    sizes.loglog([row["parameters"] for row in chosen], times, "o-", label=name)
  sizes.set(xlabel="parameters", ylabel="ms a step", title="AdamW, and filters before it")
  sizes.legend()
  ran = [r for r in members if "member-steps/s" in r and r["operands"] == "float32"]
  rates = [row["member-steps/s"][0] for row in ran]
  population.semilogx([row["members"] for row in ran], rates, "o-", base=2)
  population.set(xlabel="members", ylabel="member-steps/s", title="populations", ylim=(0, None))
  figure.savefig(file, dpi=100)


def main() -> None:
  parser = tools.parser(__doc__)
  parser.add_argument("--seconds", type=float, default=4.0, help="for each point, at least")
  settings = parser.parse_args()
  rows = by_window(settings.seconds)
  tools.show(rows)
  rows += (sizes := by_parameters(settings.seconds))
  tools.show(sizes)
  tools.write("growth", rows, settings.out)
  other = tools.file_of("population", settings.out)
  members = json.loads(other.read_text())["rows"] if other.exists() else []
  if importlib.util.find_spec("matplotlib") is None:
    print("no picture: it needs matplotlib", file=sys.stderr)
    return
  draw(rows, members, tools.file_of("growth", settings.out).with_suffix(".png"))


if __name__ == "__main__":
  main()
