"""Any task by its name, also one without a door of its own.

python -m experiments modular --method grokfast_ema
"""

import sys

from experiments import start


def main() -> int:
  """The command line; returns the exit code."""
  from experiments import commands
  from experiments.tasks import TASKS

  name, *rest = sys.argv[1:] or [""]
  if name in ("-h", "--help"):
    print(f"usage: python -m experiments TASK ..., where TASK is one of {', '.join(TASKS)};")
    print("python -m experiments TASK --help has its methods and settings.")
    return 0
  return commands.run_main(name, rest, prog=f"python -m experiments {name}")


if __name__ == "__main__":
  sys.exit(start.main(main))
