"""MNIST: the paper's MLP on 1,000 images, from initial parameters eight times too large.

python -m experiments.mnist --help
"""

import sys

from experiments import commands

if __name__ == "__main__":
  sys.exit(commands.run_main("mnist"))
