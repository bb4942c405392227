"""QM9: the paper's graph network on 50 molecules, from initial parameters three times too large.

python -m experiments.qm9 --help
"""

import sys

from experiments import start


def main() -> int:
  """The command line; returns the exit code."""
  from experiments import commands

  return commands.run_main("qm9")


if __name__ == "__main__":
  sys.exit(start.main(main))
