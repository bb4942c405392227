"""IMDb: the paper's LSTM on 750 film reviews, from initial parameters six times too large.

python -m experiments.imdb --help
"""

import sys

from experiments import commands

if __name__ == "__main__":
  sys.exit(commands.run_main("imdb"))
