"""What the page of studies says of the ways through parameter space."""

import functools
from collections.abc import Mapping
from typing import Any

from experiments.files import RESULTS
from experiments.reports import tables, ways
from experiments.reports.pages.markers import block

FOLDER = RESULTS / "studies" / "trajectory"
EMBEDDING = "tokens/embedding"
FIRST_MLP = ("blocks/layers/0/mlp_in/kernel", "blocks/layers/0/mlp_out/kernel")


@functools.cache
def arms() -> dict[str, list[dict[str, Any]]]:
  """The committed runs of each arm."""
  return ways.read(FOLDER)


@block("trajectory_count")
def trajectory_count() -> str:
  (count,) = {run["parameters"] for runs in arms().values() for run in runs}
  return f"{count:,}"


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
      cells.append(f"{_told(norm)}; {_told(rank)}" if norm and rank else "none")
    rows.append((arm, *cells))
  return tables.markdown(rows)


@block("trajectory_mlp")
def trajectory_mlp() -> str:
  first = _told(ways.middle(_norm(run, "A", *FIRST_MLP) for run in arms()["baseline"]), 1)
  last = []
  for arm in ("weight decay", "EMA", "MA"):
    norm = ways.middle(_norm(run, ways.END, *FIRST_MLP) for run in arms()[arm])
    last.append(f"{_told(norm, 1)} with {arm}")
  return f"{first} at A, and at the end {', '.join(last)}"


def _norm(run: Mapping[str, Any], point: str, *names: str) -> float | None:
  """Of some parameters together, or of all."""
  there = run["norms"].get(point)
  return there and sum(there[name] ** 2 for name in names or there) ** 0.5


def _told(found: Mapping[str, Any] | None, digits: int = 0) -> str:
  """A median with its range."""
  if found is None:
    return "none"
  middle, low, high = (f"{found[name]:,.{digits}f}" for name in ("median", "lowest", "highest"))
  return f"{middle} ({low} to {high})" if low != high else middle
