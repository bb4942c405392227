"""What `import grokfax` adds to `import optax`.

    python -m experiments.benchmarks.import_time

Each pair is imported in a fresh process, by the clock of that process. The first processes only
warm the disk's cache.
"""

import statistics
import subprocess
import sys

from tqdm import tqdm

from experiments.files import RESULTS, write_json
from experiments.runs.environment import environment

RESULT = RESULTS / "benchmarks" / "import_time.json"
WARM_UP, PROCESSES = 3, 31
CODE = """
import time
start = time.perf_counter()
import optax
middle = time.perf_counter()
import grokfax
print(middle - start, time.perf_counter() - middle)
"""


def measure() -> tuple[float, float]:
  """Seconds of `import optax`, and of `import grokfax` after it."""
  out = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
  optax_s, grokfax_s = map(float, out.stdout.split())
  return optax_s, grokfax_s


def main() -> None:
  for _ in range(WARM_UP):
    measure()
  pairs = [measure() for _ in tqdm(range(PROCESSES), disable=None)]
  ratios = sorted(grokfax_s / optax_s for optax_s, grokfax_s in pairs)
  result = {
    "optax_s": statistics.median(pair[0] for pair in pairs),
    "grokfax_s": statistics.median(pair[1] for pair in pairs),
    "ratio": statistics.median(ratios),
    "ratio_range": [ratios[0], ratios[-1]],
    "processes": PROCESSES,
    "environment": environment(),
  }
  RESULT.parent.mkdir(parents=True, exist_ok=True)
  write_json(RESULT, result)
  print(
    f"import optax {result['optax_s']:.2f} s, import grokfax after it "
    f"{1e3 * result['grokfax_s']:.0f} ms: {result['ratio']:.1%} of it "
    f"({ratios[0]:.1%} to {ratios[-1]:.1%} in {PROCESSES} processes)"
  )


if __name__ == "__main__":
  main()
