"""The benchmarks of steps, memory, populations and starts, one after another.

    python -m experiments.benchmarks           # make bench
    python -m experiments.benchmarks --quick   # ten minutes on an accelerator

Each is a process of its own, prints tables and writes JSON (`NAME-BACKEND.json`). They
import jax, flax, optax and numpy, and torch where it is there. What else some of them need is in
NEEDS: where that is missing it is named, and they are left out.
"""

import importlib.util
import os
import subprocess
import sys

from experiments.benchmarks import tools

# Each with what it is told when all is to be quick.
BENCHMARKS = {
  "memory": ["--sizes", "modular", "20M"],
  "filter_step": ["--seconds", "1", "--dtypes", "float32"],
  "population": ["--seconds", "5"],
  "growth": ["--seconds", "1"],
  "loops": ["--seconds", "5"],
  "start_up": ["--processes", "1"],
  "time_to_95": ["--seeds", "1"],
}
_COMMAND = ("filelock", "matplotlib", "tqdm")  # of the user's own command
NEEDS = {"start_up": _COMMAND, "time_to_95": _COMMAND}


def main() -> int:
  parser = tools.parser(__doc__)
  parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}")
  parser.add_argument("--quick", action="store_true", help="fewer sizes, shorter looks")
  settings = parser.parse_args()
  if unknown := set(settings.names) - set(BENCHMARKS):
    parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
  failed = []
  for name in settings.names or BENCHMARKS:
    print(f"\n## {name}\n", flush=True)
    if missing := [
      package for package in NEEDS.get(name, ()) if not importlib.util.find_spec(package)
    ]:
      print(f"left out: it needs {', '.join(missing)}")
      continue
    quick = BENCHMARKS[name] if settings.quick else []
    command = [sys.executable, "-m", f"experiments.benchmarks.{name}", *quick]
    # Torch is beside it on the same device, and takes its memory as it needs it too.
    env = os.environ | {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    if subprocess.run([*command, "--out", str(settings.out)], env=env).returncode:
      failed.append(name)
  if failed:
    print(f"failed: {', '.join(failed)}", file=sys.stderr)
  return bool(failed)


if __name__ == "__main__":
  sys.exit(main())
