"""Modular arithmetic: x ∘ y (mod p), the paper's main experiment.

python -m experiments.modular --help
"""

import sys

from experiments import start


def main() -> int:
  """The command line; returns the exit code."""
  from experiments import commands

  return commands.run_main("modular")


if __name__ == "__main__":
  sys.exit(start.main(main))
