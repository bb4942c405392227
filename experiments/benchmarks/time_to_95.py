"""Seconds from a process's start to 95 % validation accuracy on multiplication mod 97.

    python -m experiments.benchmarks.time_to_95 --seeds 3

The run is the user's own command, with the settings of the paper's EMA filter; first with
an empty compilation cache, then with the one that this left. *First look* is the first
evaluation, after ten steps; later ones are in the log some two seconds after they were made,
at most. Where torch is at hand, a Python loop with the reference's semantics takes its turns.
"""

import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax

from experiments.benchmarks import tools

GOAL, STEPS = 0.95, 5_000
OURS = ["experiments.modular", "--method", "grokfast_ema", "--stop-when-held", "10"]
TORCH = ["experiments.benchmarks.torch_side.torch_loop", "--filter", "ema"]
CACHE = {
  "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
  "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}


def _records(log: Path, seen: int) -> list[dict[str, Any]]:
  """Of the whole lines after those that were seen."""
  if not log.exists():
    return []
  lines = log.read_text().splitlines(keepends=True)[seen:]
  return [json.loads(line) for line in lines if line.endswith("\n")]


def watched(command: Sequence[str], folder: Path, log: str, cache: Path) -> dict[str, Any]:
  """Runs a module until its log says that the goal is reached; seconds since its start.

  Args:
    command: the module and its arguments.
    folder: where "printed" and "errors" hold what it says.
    log: which file there to watch, a JSON record a line.
    cache: the folder of JAX's compilation cache.
  """
  env = {**os.environ, **CACHE, "JAX_COMPILATION_CACHE_DIR": str(cache)}
  begun, found = time.perf_counter(), {}
  with (folder / "printed").open("wb") as out, (folder / "errors").open("wb") as errors:
    process = subprocess.Popen([sys.executable, "-m", *command], env=env, stdout=out, stderr=errors)
    ended, seen = False, 0
    while not ended and "to 95 %" not in found:
      time.sleep(0.01)
      ended = process.poll() is not None
      records = _records(folder / log, seen)
      seen += len(records)
      for record in records:
        now = time.perf_counter() - begun
        found.setdefault("first look", now)
        if (record["val_accuracy"] or 0) >= GOAL:
          found |= {"to 95 %": now, "step": record["step"]}
          break
    process.terminate()
    failed = process.wait() and ended
  if failed or not found:
    raise SystemExit(f"{' '.join(command)}: {(folder / 'errors').read_text()[-2000:]}")
  return found


def ours(seed: int, folder: Path, cache: Path) -> dict[str, Any]:
  """One run by the user's command."""
  command = [*OURS, "--steps", str(STEPS), "--seed", str(seed), "--out", str(folder / "run")]
  return watched(command, folder, "run/metrics.jsonl", cache)


def torchs(seed: int, folder: Path, cache: Path) -> dict[str, Any]:
  """One run of the Python loop."""
  device = "cuda" if jax.default_backend() == "gpu" else "cpu"
  command = [*TORCH, "--steps", str(STEPS), "--seed", str(seed), "--device", device]
  return watched(command, folder, "printed", cache)


def main() -> None:
  parser = tools.parser(__doc__)
  parser.add_argument("--seeds", type=int, default=5)
  settings = parser.parse_args()
  rows = []
  for seed in range(settings.seeds):
    with tempfile.TemporaryDirectory() as scratch:
      cache = Path(scratch) / "compiled"
      runs = {"ours, cold": ours, "ours, warm": ours}
      if importlib.util.find_spec("torch"):
        runs["torch"] = torchs
      for name, run in runs.items():
        folder = Path(scratch) / name
        folder.mkdir()
        rows.append({"who": name, "seed": seed, **run(seed, folder, cache)})
        tools.show(rows[-1:])
    tools.write("time_to_95", rows, settings.out)
  tools.show([summary(name, rows) for name in dict.fromkeys(row["who"] for row in rows)])


def summary(name: str, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
  """Median and range of each figure; a run that did not get there is counted."""
  found = [row for row in rows if row["who"] == name]
  told: dict[str, Any] = {"who": name, "runs": len(found)}
  told["not there"] = sum("step" not in row for row in found)
  for figure in ("first look", "step", "to 95 %"):
    values = sorted(row[figure] for row in found if figure in row)
    told[figure] = [statistics.median(values), values[0], values[-1]] if values else None
  return told


if __name__ == "__main__":
  main()
