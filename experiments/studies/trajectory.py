"""The way through parameter space, with the filter and without: the paper's picture and table.

    python -m experiments.studies trajectory

trains multiplication mod 97 four ways, five seeds each, and measures the way from the initial
parameters (A) to where it has memorised (B) and where it generalizes (C). A run that is there
already is not made again. The gradient's spectrum along the way is the study `spectrum`.
"""

import contextlib
import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from tqdm import tqdm

from experiments import start, terminal
from experiments.fields import UsageError
from experiments.files import digest, new_file, read_json, write_json
from experiments.reports import tables
from experiments.runs import settings
from experiments.runs.environment import environment
from experiments.studies.snapshots import END, MEASURES, REACHED, WAYS, recorded
from experiments.studies.study import FOLDER, claim

NAME = "trajectory"
# The first one's snapshots give the axes on which all are seen.
ARMS: Mapping[str, Mapping[str, Any]] = {
  "baseline": {"method": "baseline", "steps": 10_000},
  "weight decay": {"method": "baseline", "weight_decay": 0.005, "steps": 6_000},
  "EMA": {"method": "grokfast_ema", "steps": 2_500},
  "MA": {"method": "grokfast_ma", "steps": 2_500},
}
FULL: Mapping[str, Mapping[str, Any]] = {"baseline": {"steps": 50_000}}
FIRST = next(iter(ARMS))
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


def _axes_file(folder: Path, seed: int) -> Path:
  return folder / "scratch" / f"axes-{seed}.npy"


def missing(folder: Path, seed: int) -> list[str]:
  """The arms of a seed that are not there yet, or are on other axes than the first one's.

  Where the axes are needed and gone, the first one is among them.
  """
  axes = {arm: read_json(file_of(folder, arm, seed)).get("axes") for arm in ARMS}
  left = [arm for arm in ARMS if axes[arm] is None or axes[arm] != axes[FIRST]]
  if left and digest(_axes_file(folder, seed)).hexdigest() != axes[FIRST]:
    left = [FIRST, *(arm for arm in left if arm != FIRST)]
  return left


def run_all(folder: Path, seeds: int, *, full: bool = False, **change: Any) -> None:
  """Makes the runs that are not there."""
  given = {arm: {**ARMS[arm], **(FULL.get(arm, {}) if full else {}), **change} for arm in ARMS}
  (folder / "scratch").mkdir(parents=True, exist_ok=True)
  total = sum(given[arm]["steps"] for seed in range(seeds) for arm in missing(folder, seed))
  slow = 0.1 if sys.stderr.isatty() else 30.0
  with tqdm(total=total, unit=" steps", mininterval=slow, disable=not total) as bar:
    for seed in range(seeds):
      while left := missing(folder, seed):
        arm = left[0]
        made = settings.make("modular", **given[arm], seed=seed)
        bar.set_description(f"{arm}, seed {seed}")
        found = recorded(made, _axes_file(folder, seed), first=arm == FIRST, bar=bar)
        result = {**_rounded(found), "settings": made.kept(), "environment": environment()}
        write_json(file_of(folder, arm, seed), result)
        bar.write(f"{arm}, seed {seed}: steps {result['steps']}", file=sys.stderr)
      _axes_file(folder, seed).unlink(missing_ok=True)
  with contextlib.suppress(OSError):  # it may hold the axes of other seeds
    (folder / "scratch").rmdir()


def _rounded(value: Any) -> Any:
  """Numbers to five digits, for small files."""
  if isinstance(value, dict):
    return {name: _rounded(each) for name, each in value.items()}
  if isinstance(value, list):
    return [_rounded(each) for each in value]
  return float(f"{value:.5g}") if isinstance(value, float) else value


def read(folder: Path) -> dict[str, list[dict[str, Any]]]:
  """The runs of each arm, in the order of their seeds."""
  files = {arm: folder.glob(f"{arm.replace(' ', '_')}-*.json") for arm in ARMS}
  runs = {arm: [read_json(file) for file in found] for arm, found in files.items()}
  return {arm: sorted(each, key=lambda run: run["settings"]["seed"]) for arm, each in runs.items()}


def middle(values: Iterable[float | None]) -> dict[str, Any] | None:
  """Median and range of the seeds that have a value, and how many these are."""
  there = [value for value in values if value is not None]
  if not there:
    return None
  spread = {"median": statistics.median(there), "lowest": min(there), "highest": max(there)}
  return {"runs": len(there), **_rounded({n: float(v) for n, v in spread.items()})}


def ratio(run: Mapping[str, Any], measure: str) -> float | None:
  """How many times the way from A to B the way from B to C is."""
  first, second = (run["distances"][way] for way in ("A to B", "B to C"))
  return second[measure] / first[measure] if first and second else None


def distances(arms: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
  """The steps of the points and the distances between them, over the seeds, and the paper's."""
  found: dict[str, Any] = {}
  for arm, runs in arms.items():
    ways = {_way(a, b): [run["distances"][_way(a, b)] for run in runs] for a, b in WAYS}
    found[arm] = {
      "runs": len(runs),
      "steps": {name: middle(run["steps"][name] for run in runs) for name in (*REACHED, END)},
      "share": middle(run["share"] for run in runs),
      "distances": {
        way: {m: middle(d and d[m] for d in each) for m in MEASURES} for way, each in ways.items()
      },
      RATIO: {m: middle(ratio(run, m) for run in runs) for m in MEASURES},
    }
  published = {
    name: {**ways, RATIO: round(ways["B to C"] / ways["A to B"], 2)}
    for name, ways in PUBLISHED.items()
  }
  return {"published, times 1000": published, "arms": found}


def ways_table(arms: Mapping[str, list[dict[str, Any]]]) -> str:
  """Steps and distances in Markdown; then mean squares, beside the paper's figures."""
  names, (ab, bc, *_) = [_way(*way) for way in WAYS], (_way(*way) for way in WAYS)
  found = distances(arms)["arms"]
  rows: list[Sequence[str]] = [("training", "runs", "B, step", "C, step", *names)]
  for arm, each in found.items():
    cells = [each["steps"][name] for name in REACHED]
    cells += [each["distances"][way]["euclidean"] for way in names]
    rows.append((arm, str(each["runs"]), *(_told(cell, each["runs"]) for cell in cells)))
  squares: list[Sequence[str]] = [("mean squares x 1000", ab, bc, RATIO)]
  for name, ways in PUBLISHED.items():
    squares.append((f"the paper's {name}", *map(str, ways.values()), f"{ways[bc] / ways[ab]:.4g}"))
  for arm, each in found.items():
    cells = [_told(each["distances"][w]["mean_square"], each["runs"], 1_000) for w in (ab, bc)]
    squares.append((arm, *cells, _told(each[RATIO]["mean_square"], each["runs"])))
  return f"{tables.markdown(rows)}\n{tables.markdown(squares)}"


def layers_table(arms: Mapping[str, list[dict[str, Any]]]) -> str:
  """The Frobenius norm of each parameter and, of a matrix, its effective rank, in Markdown."""
  points = ["A", *REACHED, END]
  told = ["Frobenius norm; effective rank. Medians, and ranges over the seeds.\n"]
  for arm, runs in arms.items():
    rows: list[Sequence[str]] = [(arm, *points)]
    for path in runs[0]["norms"]["A"] if runs else ():
      cells = []
      for name in points:
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


def draw(arms: Mapping[str, list[dict[str, Any]]]) -> Figure:
  """A panel for each of the first five seeds, and one of the distances."""
  seeds = [run["settings"]["seed"] for run in arms[FIRST]][:5]
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


def write(folder: Path) -> None:
  """Prints the table of the ways; writes all tables and the picture."""
  arms = read(folder)
  write_json(folder / "distances.json", distances(arms))
  with new_file(folder / "table.md") as part:
    part.write_text(f"{ways_table(arms)}\n{layers_table(arms)}")
  with new_file(folder / f"{NAME}.png") as part:
    draw(arms).savefig(part, format="png", dpi=100)
  print(ways_table(arms))


def main(argv: list[str] | None = None) -> int:
  """The command line; returns the exit code."""

  def run():
    parser = terminal.Parser("python -m experiments.studies trajectory", __doc__ or "")
    parser.add_argument("--out", type=terminal.a_path, default=None, help="its folder")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--full", action="store_true", help="the paper's budget for the baseline")
    chosen = parser.read(argv)
    if not 1 <= chosen.seeds <= 1_000:
      raise UsageError(f"--seeds must be from 1 to 1,000; got {chosen.seeds}.")
    out = chosen.out or FOLDER / f"{NAME}{'_full' * chosen.full}"
    claim(NAME, out, full=chosen.full)
    terminal.use_compilation_cache()
    run_all(out, chosen.seeds, full=chosen.full)
    write(out)

  return terminal.run_main(run)


if __name__ == "__main__":
  sys.exit(start.main(main))
