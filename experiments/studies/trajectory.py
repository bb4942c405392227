"""The way through parameter space, with the filter and without: the paper's picture and table.

    python -m experiments.studies trajectory

trains multiplication mod 97 four ways, five seeds each, and measures the way from the initial
parameters (A) to where it has memorised (B) and where it generalizes (C). A run that is there
already is not made again. The gradient's spectrum along the way is the study `spectrum`.
"""

import contextlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tqdm import tqdm

from experiments import start, terminal
from experiments.fields import UsageError
from experiments.files import digest, new_file, read_json, write_json
from experiments.reports import ways
from experiments.runs import settings
from experiments.runs.environment import environment
from experiments.studies.snapshots import recorded
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


def _axes_file(folder: Path, seed: int) -> Path:
  return folder / "scratch" / f"axes-{seed}.npy"


def missing(folder: Path, seed: int) -> list[str]:
  """The arms of a seed that are not there yet, or are on other axes than the first one's.

  Where the axes are needed and gone, the first one is among them.
  """
  axes = {arm: read_json(ways.file_of(folder, arm, seed)).get("axes") for arm in ARMS}
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
        result = {**ways.rounded(found), "settings": made.kept(), "environment": environment()}
        write_json(ways.file_of(folder, arm, seed), result)
        bar.write(f"{arm}, seed {seed}: steps {result['steps']}", file=sys.stderr)
      _axes_file(folder, seed).unlink(missing_ok=True)
  with contextlib.suppress(OSError):  # it may hold the axes of other seeds
    (folder / "scratch").rmdir()


def write(folder: Path) -> None:
  """Prints the tables of the ways; writes all tables and the picture."""
  arms = ways.read(folder)
  write_json(folder / "distances.json", ways.distances(arms))
  told = f"{ways.steps_table(arms)}\n{ways.squares_table(arms)}"
  with new_file(folder / "table.md") as part:
    part.write_text(f"{told}\n{ways.layers_table(arms)}")
  with new_file(folder / f"{NAME}.png") as part:
    ways.draw(arms).savefig(part, format="png", dpi=100)
  print(told)


def main(argv: list[str] | None = None) -> int:
  """The command line; returns the exit code."""

  def run():
    parser = terminal.Parser("python -m experiments.studies trajectory", __doc__ or "")
    parser.add_argument("--out", type=terminal.a_path, default=None, help="its folder")
    parser.add_argument("--seeds", type=int, default=5, help="0, 1, ...: so many (default: 5)")
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
