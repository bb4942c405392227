"""Milliseconds and FLOPs a training step of each method, and its arrays for each parameter.

    python -m experiments.benchmarks.methods               # of results/neighbours
    python -m experiments.benchmarks.methods leaderboard   # of the benchmark's methods

A program for each setting, all in turns. An evaluation on the whole held-out half after each epoch
of ten steps is in the milliseconds; FLOPs are those of the step's matrix products.
"""

import statistics
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from experiments.benchmarks import tools
from experiments.benchmarks.flops import flops
from experiments.files import RESULTS
from experiments.reports.read import by_setting, read_runs
from experiments.runs import plan
from experiments.runs.settings import Settings
from experiments.training.population import MemberInit, Population
from experiments.training.train import Train


def neighbours() -> dict[str, Settings]:
  """One run of each setting, by its sentence."""
  groups = by_setting(read_runs(RESULTS / "neighbours"))
  return {name: Settings(runs[0].task.name, runs[0].values) for (name, _), runs in groups.items()}


def leaderboard() -> dict[str, Settings]:
  """One run of each method, by its name."""
  folders = (path.parent for path in (RESULTS / "studies/leaderboard").glob("*/settings.json"))
  first = {folder.name: read_runs(folder)[0] for folder in sorted(folders)}
  return {name: Settings(run.task.name, run.values) for name, run in first.items()}


SOURCES: dict[str, Callable[[], dict[str, Settings]]] = {
  "methods": neighbours,
  "leaderboard": leaderboard,
}


def step_flops(train: Train, member: MemberInit) -> int:
  """FLOPs of the matrix products of a step: loss, gradient and update on one batch."""

  def step(state, numbers, examples):
    def loss(params):
      scores = {name: values.mean() for name, values in train.score(params, examples).items()}
      return scores["loss"], {f"train_{name}": value for name, value in scores.items()}

    grads, metrics = jax.grad(loss, has_aux=True)(state.params)
    tx = train.make_optimizer(numbers)
    return tx.update(grads, state.opt_state, state.params, **metrics)

  batch = jax.tree.map(
    lambda column: jnp.zeros((train.batch_size, *column.shape[1:]), column.dtype),
    member.split.train,
  )
  state = jax.eval_shape(train.init, member.key, member.numbers)
  return flops(step, state, member.numbers, batch)


def rows_of(chosen: Mapping[str, Settings], seconds: float) -> list[dict[str, Any]]:
  """A row for each setting.

  Args:
    chosen: settings by name.
    seconds: for all turns of all of them, about.
  """
  calls, steps, rows = {}, {}, {}
  for name, made in chosen.items():
    train, (member, _) = plan.train_of(made), plan.init_of(made)
    population = Population(train, member, epochs=1)
    population.begin([member])
    state, params = (
      sum(leaf.size for leaf in jax.tree.leaves(tree))
      for tree in (population.state.opt_state, population.state.params)
    )
    steps[name] = train.epoch_steps(member.split)
    rows[name] = {
      "setting": name,
      "state arrays": round(state / params, 2),
      "GFLOP a step": round(step_flops(train, member) / 1e9, 3),
    }
    calls[name] = lambda run=population: jax.block_until_ready(run.advance())
  for name, times in tools.in_turns(calls, seconds=seconds).items():
    each = sorted(1_000 * time / steps[name] for time in times)
    rows[name]["ms a step"] = [statistics.median(each), each[0], each[-1]]
  return list(rows.values())


def main() -> None:
  parser = tools.parser(__doc__)
  parser.add_argument("name", nargs="?", default="methods", choices=SOURCES)
  parser.add_argument("--seconds", type=float, default=120.0, help="for all turns, about")
  given = parser.parse_args()
  rows = rows_of(SOURCES[given.name](), given.seconds)
  tools.write(given.name, rows, given.out)
  tools.show(rows)


if __name__ == "__main__":
  main()
