"""Milliseconds a training step of each method, and the arrays that it keeps for each parameter.

    python -m experiments.benchmarks.methods

Of the committed runs of `results/neighbours`, a program for each setting, all in turns; an
evaluation on the whole held-out half after each epoch of ten steps counts.
"""

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax

from experiments.benchmarks import tools
from experiments.reports.read import by_setting, read_runs
from experiments.runs import plan
from experiments.runs.settings import Settings
from experiments.training.population import Population

RUNS = Path(__file__).parents[1] / "results" / "neighbours"


def settings_of(folder: Path) -> dict[str, Settings]:
  """The settings of a folder's runs, one of each, by their sentence."""
  groups = by_setting(read_runs(folder))
  return {name: Settings(runs[0].task.name, runs[0].values) for (name, _), runs in groups.items()}


def rows_of(chosen: Mapping[str, Settings], seconds: float) -> list[dict[str, Any]]:
  """A row for each setting.

  Args:
    chosen: settings by name.
    seconds: for all turns of all of them, about.
  """
  calls, steps, arrays = {}, {}, {}
  for name, made in chosen.items():
    train, (member, _) = plan.train_of(made), plan.init_of(made)
    population = Population(train, member, epochs=1)
    population.begin([member])
    state, params = (
      sum(leaf.size for leaf in jax.tree.leaves(tree))
      for tree in (population.state.opt_state, population.state.params)
    )
    steps[name], arrays[name] = train.epoch_steps(member.split), state / params
    calls[name] = lambda run=population: jax.block_until_ready(run.advance())
  rows = []
  for name, times in tools.in_turns(calls, seconds=seconds).items():
    each = sorted(1_000 * time / steps[name] for time in times)
    spread = [statistics.median(each), each[0], each[-1]]
    rows.append({"setting": name, "ms a step": spread, "state arrays": round(arrays[name], 2)})
  return rows


def main() -> None:
  parser = tools.parser(__doc__)
  parser.add_argument("--seconds", type=float, default=120.0, help="for all turns, about")
  given = parser.parse_args()
  rows = rows_of(settings_of(RUNS), given.seconds)
  tools.write("methods", rows, given.out)
  tools.show(rows)


if __name__ == "__main__":
  main()
