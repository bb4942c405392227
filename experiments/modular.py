"""Modular arithmetic: x ∘ y (mod p), the paper's main experiment.

python -m experiments.modular --help
"""

import sys

from experiments import commands

if __name__ == "__main__":
  sys.exit(commands.run_main("modular"))
