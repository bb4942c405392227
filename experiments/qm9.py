"""QM9: the paper's graph network on 50 molecules, from initial parameters three times too large.

python -m experiments.qm9 --help
"""

import sys

from experiments import commands

if __name__ == "__main__":
  sys.exit(commands.run_main("qm9"))
