"""Training steps a second with validations, of 1 to 256 members side by side; and of torch.

    python -m experiments.benchmarks.population --members 1 4 16

Multiplication mod 97 as `experiments.modular --method grokfast_ema` trains it, an evaluation on
the whole held-out half after each epoch of ten steps; and one member with bfloat16 operands.
Where torch is at hand its Python loop, with the reference's semantics, takes its turns in the
same run.
"""

import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax

from experiments.benchmarks import tools
from experiments.runs import plan, settings
from experiments.training.devices import program_bytes
from experiments.training.population import Population

torch_loop = tools.torch_side("torch_loop")
MEMBERS = (1, 4, 16, 64, 256)
EPOCH = 10  # torch's steps from one evaluation to the next


def population_of(count: int, **given: Any) -> tuple[Population, int]:
  """Members that differ in their seed, at their beginning; and the steps of an epoch."""
  members = [settings.make("modular", method="grokfast_ema", seed=i, **given) for i in range(count)]
  train, inits = plan.train_of(members[0]), [plan.init_of(member)[0] for member in members]
  population = Population(train, inits[0], epochs=1, width=count)
  population.begin(inits)
  return population, train.epoch_steps(inits[0].split)


def epoch_of(population: Population) -> Callable[[], Any]:
  """An epoch of each member, and an evaluation; waits until they are done."""
  return lambda: jax.block_until_ready(population.advance())


def torchs_epoch() -> Callable[[], Any]:
  """An epoch of torch's loop, and an evaluation."""
  device = "cuda" if jax.default_backend() == "gpu" else "cpu"
  torch_loop.torch.set_float32_matmul_precision("high")  # as XLA multiplies on a GPU: TF32
  epochs = torch_loop.train(seed=0, filter="ema", steps=10**9, device=device)
  return lambda: next(epochs)


def rows_of(members: Sequence[int], seconds: float, **given: Any) -> Iterator[dict[str, Any]]:
  """A row for each number of members; one member, and torch, take their turns with it.

  The first row is one member whose matrix products have bfloat16 operands.

  Args:
    members: how many, for each row.
    seconds: for each row, at least.
    **given: settings that are not the paper's.
  """
  alone, steps = population_of(1, **given)
  each, one = program_bytes(alone.program), epoch_of(alone)
  torch = {"torch": torchs_epoch()} if torch_loop else {}
  for count, operands in [(1, "bfloat16"), *((n, "float32") for n in members)]:
    row = {"members": count, "operands": operands}
    if not tools.fits(count * each):
      yield row | {"needs": f"{count * each / 1e9:.0f} GB"}
      continue
    plain = (count, operands) == (1, "float32")
    many = one if plain else epoch_of(population_of(count, operands=operands, **given)[0])
    times = tools.in_turns({"one": one, "many": many, **torch}, seconds=seconds)
    rates = sorted(count * steps / time for time in times["many"])
    single = [count * time for time in times["one"]]
    row["member-steps/s"] = [statistics.median(rates), rates[0], rates[-1]]
    row["times one in float32"] = tools.ratio(single, to=times["many"])
    if torch:
      torchs = [count * time for time in times["torch"]]
      row["torch's steps/s"] = EPOCH / statistics.median(times["torch"])
      row["times torch"] = tools.ratio(torchs, to=times["many"])
    yield row


def main() -> None:
  parser = tools.parser(__doc__)
  parser.add_argument("--members", type=int, nargs="+", default=MEMBERS)
  parser.add_argument("--seconds", type=float, default=30.0, help="for each number, at least")
  given = parser.parse_args()
  rows = []
  for row in rows_of(given.members, given.seconds):
    rows.append(row)
    tools.write("population", rows, given.out)
  tools.show(rows)


if __name__ == "__main__":
  main()
