"""Multiplication mod 97 with the EMA filter, an epoch at a time, a JSON line for each.

    python -m experiments.benchmarks.plain_run --seed 0 --steps 3000

It is what `experiments.modular` trains, where that cannot run: it needs no more than jax,
flax, optax and numpy, and keeps nothing.
"""

import argparse
import json

from experiments.benchmarks.population import EPOCH, population_of


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument("--seed", type=int, default=0)
  parser.add_argument("--steps", type=int, default=3_000, help="rounded up to whole epochs")
  settings = parser.parse_args()
  run = population_of([settings.seed])
  for _ in range(-(-settings.steps // EPOCH)):
    (table,) = run.advance(1, 1, EPOCH)
    print(json.dumps({name: column[0].item() for name, column in table.items()}), flush=True)


if __name__ == "__main__":
  main()
