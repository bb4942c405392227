"""Any task by its name, also one without a door of its own.

python -m experiments modular --method grokfast_ema
"""

import sys

from experiments import commands

if __name__ == "__main__":
  name, *rest = sys.argv[1:] or [""]
  sys.exit(commands.run_main(name, rest, prog=f"python -m experiments {name}"))
