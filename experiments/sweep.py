"""Many seeds and hyperparameters of a task, as one program or a few.

python -m experiments.sweep modular --method grokfast_ema --seeds 20 --lamb 1 2 5
"""

import sys

from experiments import commands

if __name__ == "__main__":
  sys.exit(commands.sweep_main())
