"""Training steps a second with validations, of 1 to 256 members side by side; and of torch.

    python -m experiments.benchmarks.population --members 1 4 16

Multiplication mod 97 with the paper's transformer, Grokfast's EMA and Adam, an
evaluation on the whole held-out half after each epoch of ten steps; and one member with
bfloat16 operands. Where torch is at hand its Python loop, with the reference's semantics,
takes its turns in the same run.
"""

import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import optax

import grokfax
from experiments import arithmetic, training
from experiments.benchmarks import results, timing
from experiments.benchmarks.cases import bytes_of
from experiments.layers import OperandDtype
from experiments.population import Population, Start, populate

torch_loop = results.torch_side("torch_loop")
MEMBERS = (1, 4, 16, 64, 256)
P, BATCH, EPOCH = 97, 512, 10  # half of all pairs are ten batches


def make_train(operands: OperandDtype) -> training.Train:
  """The paper's settings for its EMA filter."""

  def optimizer(numbers):
    del numbers
    warmup = optax.linear_schedule(0.0, 1e-3, 10)
    return optax.chain(
      grokfax.grokfast_ema(0.98, 2.0), grokfax.adam_l2(warmup, b2=0.98, weight_decay=0.005)
    )

  return training.make_train(arithmetic.task(P, operands), optimizer, BATCH)


def start_of(seed: int) -> Start:
  """What a member begins with: parameters, split and order are its own."""
  data_key, key = jax.random.split(jax.random.key(seed))
  rows = arithmetic.table("mul", P)
  return Start(key, training.split_rows(data_key, rows, len(rows[0]) // 2), {})


def population_of(seeds: Sequence[int], operands: OperandDtype = "float32") -> Population:
  """A member for each seed."""
  return populate(make_train(operands), [start_of(seed) for seed in seeds], room=1)


def bytes_of_one(one: Population) -> int:
  """State and temporary arrays of a member."""
  analysis = one.program.memory_analysis()
  return bytes_of(one.state) + (analysis.temp_size_in_bytes if analysis else 0)


def epoch_of(population: Population) -> Callable[[], Any]:
  """An epoch of each member, and an evaluation."""
  return lambda: population.advance(1, 1, EPOCH)


def torchs_epoch() -> Callable[[], Any]:
  """An epoch of torch's loop, and an evaluation."""
  device = "cuda" if jax.default_backend() == "gpu" else "cpu"
  torch_loop.torch.set_float32_matmul_precision("high")  # as XLA multiplies on a GPU: TF32
  epochs = torch_loop.train(seed=0, filter="ema", steps=10**9, device=device)
  return lambda: next(epochs)


def rows_of(members: Sequence[int], seconds: float) -> Iterator[dict[str, Any]]:
  """A row for each number of members; one member, and torch, take their turns with it.

  The first row is one member whose matrix products have bfloat16 operands.
  """
  alone = population_of([0])
  each, one = bytes_of_one(alone), epoch_of(alone)
  torch = {"torch": torchs_epoch()} if torch_loop else {}
  kinds: list[tuple[int, OperandDtype]] = [(1, "bfloat16"), *((n, "float32") for n in members)]
  for count, operands in kinds:
    row = {"members": count, "operands": operands}
    if not results.fits(count * each):
      yield row | {"needs": f"{count * each / 1e9:.0f} GB"}
      continue
    plain = (count, operands) == (1, "float32")
    many = one if plain else epoch_of(population_of(range(count), operands))
    times = timing.in_turns({"one": one, "many": many, **torch}, seconds=seconds)
    rates = sorted(count * EPOCH / time for time in times["many"])
    single = [count * time for time in times["one"]]
    row["member-steps/s"] = [statistics.median(rates), rates[0], rates[-1]]
    row["times one in float32"] = timing.ratio(single, to=times["many"])
    if torch:
      torchs = [count * time for time in times["torch"]]
      row["torch's steps/s"] = EPOCH / statistics.median(times["torch"])
      row["times torch"] = timing.ratio(torchs, to=times["many"])
    yield row


def main() -> None:
  parser = results.parser(__doc__)
  parser.add_argument("--members", type=int, nargs="+", default=MEMBERS)
  parser.add_argument("--seconds", type=float, default=30.0, help="for each number, at least")
  settings = parser.parse_args()
  rows = []
  for row in rows_of(settings.members, settings.seconds):
    rows.append(row)
    results.write("population", rows, settings.out)
  results.show(rows)


if __name__ == "__main__":
  main()
