"""Many seeds and hyperparameters of a task, as one program or a few.

python -m experiments.sweep modular --method grokfast_ema --seeds 20 --lamb 1 2 5
"""

import sys

from experiments import start


def main() -> int:
  """The command line; returns the exit code."""
  from experiments import commands

  return commands.sweep_main()


if __name__ == "__main__":
  sys.exit(start.main(main))
