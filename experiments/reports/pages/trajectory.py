"""What the page of studies says of the ways through parameter space."""

import functools
from collections.abc import Mapping
from typing import Any

from experiments.reports import tables, ways
from experiments.reports.pages.markers import RESULTS, block

FOLDER = RESULTS / "studies" / "trajectory"
EMBEDDING = "tokens/embedding"


@functools.cache
def arms() -> dict[str, list[dict[str, Any]]]:
  """The committed runs of each arm."""
  return ways.read(FOLDER)


@block("trajectory_steps")
def trajectory_steps() -> str:
  return ways.steps_table(arms())


@block("trajectory_squares")
def trajectory_squares() -> str:
  return ways.squares_table(arms())


@block("trajectory_sizes")
def trajectory_sizes() -> str:
  rows: list[tuple[str, ...]] = [("norm of all; embedding's effective rank", *ways.POINTS)]
  for arm, runs in arms().items():
    cells = []
    for point in ways.POINTS:
      norm = ways.middle(_norm(run, point) for run in runs)
      rank = ways.middle(run["ranks"].get(point, {}).get(EMBEDDING) for run in runs)
      cells.append(f"{_rounded(norm)}; {_rounded(rank)}" if norm and rank else "none")
    rows.append((arm, *cells))
  return tables.markdown(rows)


def _norm(run: Mapping[str, Any], point: str) -> float | None:
  """Of all parameters together."""
  there = run["norms"].get(point)
  return there and sum(norm**2 for norm in there.values()) ** 0.5


def _rounded(found: Mapping[str, Any]) -> str:
  """A median with its range, to whole numbers."""
  middle, low, high = (f"{found[name]:,.0f}" for name in ("median", "lowest", "highest"))
  return f"{middle} ({low} to {high})" if low != high else middle
