"""A search for settings: random trials, then rounds of changes to the best, many at once.

    python -m experiments.studies.search recipe --trials 1024 --rounds 6

Each trial trains on every operation; its score is the mean validation accuracy at the end of the
budget, and a tenth of the mean over the budget. Seeds are drawn from those that no table scores.
All trials are written down, in `trials.jsonl`.
"""

import argparse
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.files import write_json
from experiments.runs import plan, settings
from experiments.runs.environment import environment
from experiments.training.population import MemberInit, Population

FIRST_SEED, SEEDS = 1_000, 16  # of those that are searched on
OPERATIONS = ("mul", "sub")
# Low, high, and whether the logarithm is uniform.
Space = Mapping[str, tuple[float, float, bool]]
MUON: Space = {
  "learning_rate": (0.01, 0.2, True),
  "weight_decay": (0.05, 3.0, True),
  "momentum": (0.5, 0.97, False),
  "lr_embedding": (0.05, 3.0, True),
  "lr_head": (0.003, 1.0, True),
  "lr_rest": (0.003, 1.0, True),
  "decay_embedding": (0.05, 5.0, True),
  "decay_head": (0.01, 5.0, True),
  "b1": (0.5, 0.95, False),
  "b2": (0.8, 0.99, False),
  "lr_warmup": (1.0, 15.0, False),
  "lr_end": (0.0, 0.3, False),
}
FILTER: Space = {"alpha": (0.5, 0.98, False), "lamb": (0.05, 5.0, True)}
GROUPED = {"optimizer": "muon_grouped", "schedule": "linear"}
SPACES: dict[str, tuple[dict[str, Any], Space]] = {
  "recipe": ({"method": "baseline", **GROUPED}, MUON),
  "muon_embedding": ({"method": "baseline", "embedding_by": "muon", **GROUPED}, MUON),
  "filter": ({"method": "grokfast_ema", **GROUPED}, {**MUON, **FILTER}),
  "stablemax": ({"method": "stablemax", **GROUPED}, MUON),
}


def drawn(space: Space, rng: np.random.Generator) -> dict[str, float]:
  """A random trial."""
  found = {}
  for name, (low, high, log) in space.items():
    a, b = (np.log(low), np.log(high)) if log else (low, high)
    value = rng.uniform(a, b)
    found[name] = float(np.exp(value) if log else value)
  return found


def changed(
  trial: Mapping[str, float], other: Mapping[str, float], space: Space, width: float, rng: Any
) -> dict[str, float]:
  """A trial between two good ones and beside them, in what part of the space `width` says."""
  found = {}
  for name, (low, high, log) in space.items():
    a, b, x, y = (np.log(v) if log else v for v in (low, high, trial[name], other[name]))
    value = x + rng.uniform(0, 1) * (y - x) * (rng.random() < 0.5)
    value = np.clip(value + width * (b - a) * rng.normal() * (rng.random() < 0.5), a, b)
    found[name] = float(np.exp(value) if log else value)
  return found


class Trainer:
  """Trains trials side by side, or one after another, with one compiled program."""

  def __init__(self, fixed: Mapping[str, Any], space: Space, width: int, **change: Any):
    middle = drawn(space, np.random.default_rng(0))
    self.fixed = {**fixed, **change}
    self.first = settings.make("modular", **self.fixed, **middle)
    self.train = plan.train_of(self.first)
    like, _ = plan.init_of(self.first)
    self.numbers = like.numbers.keys()
    self._data: dict[tuple[str, int], tuple[Any, Any]] = {}
    self.population = Population(self.train, like, epochs=1, width=width)
    self.epochs = -(-self.first["steps"] // self.train.epoch_steps(like.split))

  def curves(self, members: list[dict[str, Any]]) -> np.ndarray:
    """Validation accuracies after each epoch: (members, epochs)."""
    found = []
    width = self.population.width
    for begin in range(0, len(members), width):
      group = members[begin : begin + width]
      filled = [*group, *[group[0]] * (width - len(group))]
      self.population.begin_with(self._inits(filled))
      rows = [self.population.advance() for _ in range(self.epochs)]
      values = [np.atleast_1d(jax.device_get(row["val_accuracy"])) for row in rows]
      found.append(np.stack(values, 1)[: len(group)])
    return np.nan_to_num(np.concatenate(found))

  def _inits(self, members: list[dict[str, Any]]) -> MemberInit:
    """Members as the program takes them; stacked here, for one by one would take its time."""
    for member in members:
      if (place := (member["operation"], member["seed"])) not in self._data:
        made = settings.make("modular", **self.fixed, **member)
        key, split, _ = plan.init_of(made)[0]
        self._data[place] = key, jax.device_get(split)
    keys, splits = zip(*(self._data[m["operation"], m["seed"]] for m in members), strict=True)
    numbers = [
      {n: v for n, v in (self.first.of_kind("number") | m).items() if n in self.numbers}
      for m in members
    ]
    if self.population.width == 1:
      return MemberInit(keys[0], splits[0], jax.tree.map(jnp.float32, numbers[0]))
    data = np.stack([jax.random.key_data(key) for key in keys])
    return MemberInit(
      jax.random.wrap_key_data(jnp.asarray(data)),
      jax.tree.map(lambda *leaves: jnp.asarray(np.stack(leaves)), *splits),
      {n: jnp.asarray([m[n] for m in numbers], jnp.float32) for n in self.numbers},
    )


def scores(curves: np.ndarray) -> np.ndarray:
  """Of (trials, operations, epochs): (trials,)."""
  return curves[..., -1].mean(1) + 0.1 * curves.mean((1, 2))


def search(
  trainer: Trainer, space: Space, *, trials: int, rounds: int, seed: int = 0
) -> Iterator[dict[str, Any]]:
  """Yields all trials of all rounds, with their curves."""
  rng = np.random.default_rng(seed)
  best: list[tuple[float, dict[str, float]]] = []
  for number in range(rounds):
    if number == 0:
      chosen = [drawn(space, rng) for _ in range(trials)]
    else:
      top = [trial for _, trial in best[: max(4, trials // (32 * number))]]
      width = 0.2 * 0.7**number
      pairs = rng.integers(len(top), size=(trials, 2))
      chosen = [changed(top[i], top[j], space, width, rng) for i, j in pairs]
    seeds = FIRST_SEED + rng.integers(SEEDS, size=trials)
    members = [
      {**trial, "operation": operation, "seed": int(s)}
      for trial, s in zip(chosen, seeds, strict=True)
      for operation in OPERATIONS
    ]
    curves = trainer.curves(members).reshape(trials, len(OPERATIONS), -1)
    found = scores(curves)
    best = sorted([*best, *zip(map(float, found), chosen, strict=True)], key=lambda b: -b[0])
    for trial, s, score, curve in zip(chosen, seeds, found, curves, strict=True):
      short = {name: float(f"{value:.4g}") for name, value in trial.items()}
      yield {
        "round": number, "seed": int(s), "score": round(float(score), 4), **short,
        "val_accuracy": np.round(curve, 4).tolist(),
      }  # fmt: skip


def main() -> None:
  """The command line."""
  parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
  parser.add_argument("space", choices=SPACES)
  parser.add_argument("--trials", type=int, default=64, help="of each round")
  parser.add_argument("--rounds", type=int, default=4)
  parser.add_argument("--steps", type=int, default=120)
  parser.add_argument("--width", type=int, default=1, help="trained side by side")
  parser.add_argument("--seconds", type=float, default=1e9, help="no new round after these")
  parser.add_argument("--out", type=Path, required=True, help="a new folder")
  given = parser.parse_args()
  given.out.mkdir(parents=True)
  fixed, space = SPACES[given.space]
  write_json(
    given.out / "search.json",
    {"fixed": {**fixed, "steps": given.steps}, "space": space, "environment": environment()},
  )
  begun = time.perf_counter()
  trainer = Trainer(fixed, space, given.width, steps=given.steps)
  with (given.out / "trials.jsonl").open("w") as file:
    last, best = -1, 0.0
    for trial in search(trainer, space, trials=given.trials, rounds=given.rounds):
      if trial["round"] != last:
        if time.perf_counter() - begun > given.seconds:
          break
        if last >= 0:
          print(f"{given.space} round {last}: best {best:.3f}, {time.perf_counter() - begun:.0f} s")
        last = trial["round"]
        file.flush()
      best = max(best, trial["score"])
      file.write(json.dumps(trial) + "\n")
  print(f"{given.space}: best {best:.3f}")


if __name__ == "__main__":
  main()
