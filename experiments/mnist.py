"""MNIST: the paper's MLP on 1,000 images, from initial parameters eight times too large.

python -m experiments.mnist --help
"""

import sys

from experiments import start


def main() -> int:
  """The command line; returns the exit code."""
  from experiments import commands

  return commands.run_main("mnist")


if __name__ == "__main__":
  sys.exit(start.main(main))
