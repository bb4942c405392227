"""The ways through parameter space: tables beside the paper's, and the picture."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from matplotlib.figure import Figure

from experiments.files import read_json
from experiments.reports import tables

END = "end of the budget"
POINTS = ("A", "B", "C", END)  # initial, memorised, generalizes
WAYS = (("A", "B"), ("B", "C"), ("A", "C"), ("A", END), ("B", END))
ARMS = ("baseline", "weight decay", "EMA", "MA")
Runs: TypeAlias = Mapping[str, list[dict[str, Any]]]  # of each arm
RATIO = "B to C over A to B"
# The paper's distances, of five runs each, times a thousand. The unit is not written there, nor
# which filter it is: so there are several measures here, and the ratio of one way to the other.
PUBLISHED = {
  "baseline": {"A to B": 0.97, "B to C": 563.7},
  "Grokfast": {"A to B": 7.7, "B to C": 15.3},
}


def file_of(folder: Path, arm: str, seed: int) -> Path:
  """Where a run is."""
  return folder / f"{arm.replace(' ', '_')}-{seed}.json"


def read(folder: Path) -> dict[str, list[dict[str, Any]]]:
  """The runs of each arm that has some, in the order of their seeds."""
  found = {}
  for arm in ARMS:
    runs = [read_json(file) for file in folder.glob(f"{arm.replace(' ', '_')}-*.json")]
    if runs:
      found[arm] = sorted(runs, key=lambda run: run["settings"]["seed"])
  return found


def rounded(value: Any) -> Any:
  """Numbers to five digits, for small files."""
  if isinstance(value, dict):
    return {name: rounded(each) for name, each in value.items()}
  if isinstance(value, list):
    return [rounded(each) for each in value]
  return float(f"{value:.5g}") if isinstance(value, float) else value


def middle(values: Iterable[float | None]) -> dict[str, Any] | None:
  """Median and range of the seeds that have a value, and how many these are."""
  there = [value for value in values if value is not None]
  if not there:
    return None
  spread = {"median": statistics.median(there), "lowest": min(there), "highest": max(there)}
  return {"runs": len(there), **rounded({n: float(v) for n, v in spread.items()})}


def ratio(run: Mapping[str, Any], measure: str) -> float | None:
  """How many times the way from A to B the way from B to C is."""
  first, second = (run["distances"][way] for way in ("A to B", "B to C"))
  return second[measure] / first[measure] if first and second else None


def distances(arms: Runs) -> dict[str, Any]:
  """The steps of the points and the distances between them, over the seeds, and the paper's."""
  found: dict[str, Any] = {}
  for arm, runs in arms.items():
    ways = {_way(a, b): [run["distances"][_way(a, b)] for run in runs] for a, b in WAYS}
    found[arm] = {
      "runs": len(runs),
      "steps": {name: middle(run["steps"][name] for run in runs) for name in POINTS[1:]},
      "share": middle(run["share"] for run in runs),
      "distances": {
        way: {m: middle(d and d[m] for d in each) for m in _measures(each)}
        for way, each in ways.items()
      },
      RATIO: {m: middle(ratio(run, m) for run in runs) for m in _measures(ways[_way(*WAYS[0])])},
    }
  published = {
    name: {**ways, RATIO: round(ways["B to C"] / ways["A to B"], 2)}
    for name, ways in PUBLISHED.items()
  }
  return {"published, times 1000": published, "arms": found}


def _measures(ways: Iterable[Mapping[str, float] | None]) -> dict[str, None]:
  """The names of what distances were measured in."""
  return {name: None for way in ways for name in way or ()}


def steps_table(arms: Runs) -> str:
  """Steps of the points and Euclidean distances between them, in Markdown."""
  names = [_way(*way) for way in WAYS]
  rows: list[Sequence[str]] = [("training", "runs", "B, step", "C, step", *names)]
  for arm, each in distances(arms)["arms"].items():
    cells = [each["steps"][name] for name in ("B", "C")]
    cells += [each["distances"][way].get("euclidean") for way in names]
    rows.append((arm, str(each["runs"]), *(_told(cell, each["runs"]) for cell in cells)))
  return tables.markdown(rows)


def squares_table(arms: Runs) -> str:
  """Mean squares of the distances beside the paper's figures, in Markdown."""
  ab, bc = (_way(*way) for way in WAYS[:2])
  rows: list[Sequence[str]] = [("mean squares x 1000", ab, bc, RATIO)]
  for name, found in PUBLISHED.items():
    rows.append((f"the paper's {name}", *map(str, found.values()), f"{found[bc] / found[ab]:.4g}"))
  for arm, each in distances(arms)["arms"].items():
    cells = [_told(each["distances"][w].get("mean_square"), each["runs"], 1_000) for w in (ab, bc)]
    rows.append((arm, *cells, _told(each[RATIO].get("mean_square"), each["runs"])))
  return tables.markdown(rows)


def layers_table(arms: Runs) -> str:
  """The Frobenius norm of each parameter and, of a matrix, its effective rank, in Markdown."""
  told = ["Frobenius norm; effective rank. Medians, and ranges over the seeds.\n"]
  for arm, runs in arms.items():
    rows: list[Sequence[str]] = [(arm, *POINTS)]
    for path in runs[0]["norms"]["A"]:
      cells = []
      for name in POINTS:
        both = [middle(r[w].get(name, {}).get(path) for r in runs) for w in ("norms", "ranks")]
        cells.append("; ".join(_told(each, len(runs)) for each in both if each) or "none")
      rows.append((path, *cells))
    told.append(tables.markdown(rows))
  return "\n".join(told)


def _way(a: str, b: str) -> str:
  return f"{a} to {b}"


def _told(value: Mapping[str, Any] | None, runs: int, times: float = 1) -> str:
  """A median with its range, and of how many runs where it is not all."""
  if value is None:
    return "none"
  middle, low, high = (_digits(times * value[name]) for name in ("median", "lowest", "highest"))
  few = f", {value['runs']} of {runs} runs" if value["runs"] < runs else ""
  return f"{middle} ({low} to {high}{few})" if value["runs"] > 1 else middle + few


def _digits(value: float) -> str:
  """Four digits, or all before the point."""
  return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.4g}"


def draw(arms: Runs) -> Figure:
  """A panel for each of the first five seeds, and one of the distances."""
  seeds = [run["settings"]["seed"] for run in next(iter(arms.values()))][:5]
  height = -(-(len(seeds) + 1) // 3)
  drawn = Figure(figsize=(13, 4.2 * height), layout="constrained")
  panels = drawn.subplots(height, 3, squeeze=False).ravel()
  for panel, seed in zip(panels, seeds, strict=False):
    panel.set(title=f"seed {seed}", xlabel="baseline's first axis", ylabel="its second axis")
    for i, (arm, runs) in enumerate(arms.items()):
      for run in (run for run in runs if run["settings"]["seed"] == seed):
        way, places = run["way"], run["places"]
        panel.plot(way["first"], way["second"], color=f"C{i}", linewidth=1, label=arm)
        for name, mark in (("A", "o"), ("B", "s"), ("C", "*")):
          if name in places:
            panel.scatter(*places[name], color=f"C{i}", marker=mark, s=60, edgecolor="k", zorder=3)
  panels[0].legend(fontsize="small")
  last, *empty = panels[len(seeds) :]
  last.set(title="Euclidean distances", yscale="log", ylabel="over all parameters")
  ways = ("A to B", "B to C", f"B to {END}")
  for i, runs in enumerate(arms.values()):
    for x, way in enumerate(ways):
      y = [run["distances"][way]["euclidean"] for run in runs if run["distances"][way]]
      last.scatter(np.full(len(y), x + 0.12 * (i - 1.5)), y, color=f"C{i}", s=22)
  last.set_xticks(range(len(ways)), [way.replace(END, "end") for way in ways])
  for panel in empty:
    panel.set_axis_off()
  drawn.suptitle("○ A, initial; □ B, training accuracy 99 %; ☆ C, validation accuracy 95 %")
  return drawn
