"""Any task by its name, also one without a door of its own.

python -m experiments modular --method grokfast_ema
"""

import sys

from experiments import start


def main() -> int:
  """The command line; returns the exit code."""
  from experiments import commands

  name, *rest = sys.argv[1:] or [""]
  return commands.run_main(name, rest, prog=f"python -m experiments {name}")


if __name__ == "__main__":
  sys.exit(start.main(main))
