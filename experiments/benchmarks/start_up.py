"""Seconds from a process's start to its first ten training steps, stage by stage.

    python -m experiments.benchmarks.start_up

What the modular command does until then, each time in a fresh process: *cold* with an
empty compilation cache, *warm* with the one that the cold one left. Folder, log and the
record of the machine are left out; `time_to_95` has the whole command. *Core-seconds* of
tracing and compiling, over the number of cores, are the least that this stage could take.
"""

import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

from experiments.benchmarks import tools
from experiments.benchmarks.time_to_95 import CACHE

STAGES = """
import json, time
marks = {"Python": time.time()}
import jax
marks["import jax"] = time.time()
from experiments import commands
from experiments.runs import plan, settings
marks["import the rest"] = time.time()
(program,) = plan.plan_of([settings.make("modular")], plan.Place()).programs
init = program.init(0)
marks["data"] = time.time()
busy_from = time.process_time()
population = program.open(None)
core_seconds = time.process_time() - busy_from
marks["trace and compile"] = time.time()
population.begin([init])
jax.block_until_ready(population.advance())
marks["ten steps, validation"] = time.time()
print(json.dumps([marks, core_seconds]))
"""


def measure(cache: str) -> dict[str, float]:
  """Seconds of each stage of one process, of all, and of the cores that compile."""
  env = {**os.environ, **CACHE, "JAX_COMPILATION_CACHE_DIR": cache}
  begun = time.time()
  command = [sys.executable, "-c", STAGES]
  ran = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True)
  marks, core_seconds = json.loads(ran.stdout)
  times = [begun, *marks.values()]
  stages = [after - before for before, after in itertools.pairwise(times)]
  whole = {"all": times[-1] - begun, "trace and compile, core-seconds": core_seconds}
  return dict(zip(marks, stages, strict=True)) | whole


def row_of(name: str, runs: Sequence[dict[str, float]]) -> dict[str, object]:
  """Median and range of each stage."""
  stages = {stage: sorted(run[stage] for run in runs) for stage in runs[0]}
  spreads = {stage: [statistics.median(v), v[0], v[-1]] for stage, v in stages.items()}
  return {"cache": name, "processes": len(runs), **spreads}


def main() -> None:
  parser = tools.parser(__doc__)
  parser.add_argument("--processes", type=int, default=5)
  settings = parser.parse_args()
  runs: dict[str, list[dict[str, float]]] = {"cold": [], "warm": []}
  for _ in range(settings.processes):
    with tempfile.TemporaryDirectory() as cache:
      for name in runs:
        runs[name].append(measure(cache))
  rows = [row_of(name, each) for name, each in runs.items()]
  tools.show(rows)
  tools.write("start_up", rows, settings.out)


if __name__ == "__main__":
  main()
