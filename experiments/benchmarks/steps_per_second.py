"""Training steps a second of every experiment, evaluations included.

    python -m experiments.benchmarks.steps_per_second

Each run is a fresh process, and the experiments take turns. Compilation does not count. The data
must have been prepared.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tqdm import tqdm

from experiments.files import RESULTS, write_json
from experiments.runs.environment import environment

RESULT = RESULTS / "benchmarks" / "steps_per_second.json"
ROUNDS = 3
STEPS = {"modular": 500, "mnist": 5_000, "qm9": 10_000, "imdb": 45}


def measure(experiment: str) -> float:
  """Steps a second of one run of `grokfast_ema` with the experiment's own settings."""
  with tempfile.TemporaryDirectory() as folder:
    out = Path(folder) / "run"
    module = f"experiments.{experiment}"
    flags = ["--method", "grokfast_ema", "--steps", str(STEPS[experiment]), "--out", str(out)]
    subprocess.run([sys.executable, "-m", module, *flags], capture_output=True, check=True)
    return json.loads((out / "summary.json").read_text())["steps_per_second"]


def main() -> None:
  rounds = [{name: measure(name) for name in STEPS} for _ in tqdm(range(ROUNDS), disable=None)]
  measured = {name: sorted(each[name] for each in rounds) for name in STEPS}
  result = {
    "steps_per_second": {
      name: {"median": statistics.median(values), "range": [values[0], values[-1]]}
      for name, values in measured.items()
    },
    "steps": STEPS,
    "rounds": ROUNDS,
    "environment": environment(),
  }
  RESULT.parent.mkdir(parents=True, exist_ok=True)
  write_json(RESULT, result)
  for name, values in measured.items():
    print(
      f"{name}: {statistics.median(values):,.1f} ({values[0]:,.1f} to {values[-1]:,.1f}) steps/s"
    )


if __name__ == "__main__":
  main()
