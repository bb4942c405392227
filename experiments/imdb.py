"""IMDb: the paper's LSTM on 750 film reviews, from initial parameters six times too large.

python -m experiments.imdb --help
"""

import sys

from experiments import start


def main() -> int:
  """The command line; returns the exit code."""
  from experiments import commands

  return commands.run_main("imdb")


if __name__ == "__main__":
  sys.exit(start.main(main))
