"""A search for settings: random trials, then rounds of changes to the best, many at once.

    python -m experiments.studies.search recipe --trials 64 --rounds 4 --out FOLDER

Each trial trains on every operation; its score is the mean validation accuracy over the last
quarter of the budget, and a tenth of the mean over all of it. All have the same seed, one that no
table scores. The first trial is a method's known setting; later rounds stay near the best two, or
a sixteenth of a round. With `--again 2` the best two of all are trained once more with another
seed, and the better on both is what was found.
All trials are written down, in `trials.jsonl`, a round at a time; a search that was stopped
resumes by the same command.
"""

import json
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from experiments import start, terminal
from experiments.fields import UsageError
from experiments.files import new_file, read_json, write_json
from experiments.reports import trials as trials_
from experiments.runs import plan, settings
from experiments.runs.environment import environment
from experiments.runs.log import read_log
from experiments.studies.contenders import CONTENDERS
from experiments.studies.spaces import Space, changed, drawn
from experiments.training.population import MemberInit, Population

FIRST_SEED = 1_000  # of all trials; that of the best, once more, follows
OPERATIONS = ("mul", "sub")


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
    for begin in tqdm(range(0, len(members), width), "runs of a round", disable=None, leave=False):
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
  last = curves[..., -max(1, curves.shape[-1] // 4) :]
  return last.mean((1, 2)) + 0.1 * curves.mean((1, 2))


def search(
  trainer: Trainer,
  space: Space,
  *,
  trials: int,
  rounds: int,
  again: int = 0,
  first: Mapping[str, float] | None = None,
  stream: int = 0,
  known: Sequence[Mapping[str, Any]] = (),
) -> Iterator[list[dict[str, Any]]]:
  """Yields the trials of each round that is not known, with their curves.

  Args:
    trainer: of the space.
    space: what is searched.
    trials: of a round.
    rounds: the first is random, each later one nearer to the best so far.
    again: how many of the best have one more round, with another seed.
    first: the first trial; None draws it too.
    stream: of random numbers.
    known: the trials of the first rounds, from an earlier search of the same numbers.
  """
  rng = np.random.default_rng(stream)
  best: list[tuple[float, dict[str, float]]] = []
  for number in range(rounds + bool(again)):
    seed = FIRST_SEED
    if number == 0:
      chosen = [drawn(space, rng) for _ in range(trials)]
      chosen[:1] = [dict(first)] if first else chosen[:1]
    elif number < rounds:
      top = [trial for _, trial in best[: max(2, trials // 16)]]
      pairs = rng.integers(len(top), size=(trials, 2))
      width = 0.2 * 0.7**number
      chosen = [changed(top[i], top[j], space, width, rng) for i, j in pairs]
    else:
      unique = {tuple(trial.items()): trial for _, trial in best}
      chosen, seed = [*unique.values()][:again], FIRST_SEED + 1
    rows = [dict(row) for row in known if row["round"] == number]
    if len(rows) < len(chosen):
      rows = _trained(trainer, number, seed, chosen)
      yield rows
    found = [(row["score"], trial) for row, trial in zip(rows, chosen, strict=True)]
    best = sorted([*best, *found], key=lambda one: -one[0])


def _trained(
  trainer: Trainer, number: int, seed: int, chosen: Sequence[dict[str, float]]
) -> list[dict[str, Any]]:
  members = [
    {**trial, "operation": operation, "seed": seed} for trial in chosen for operation in OPERATIONS
  ]
  curves = trainer.curves(members).reshape(len(chosen), len(OPERATIONS), -1)
  return [
    {
      "round": number,
      "seed": seed,
      "score": round(float(score), 4),
      **trial,
      "val_accuracy": np.round(curve.astype(np.float64), 4).tolist(),
    }
    for trial, score, curve in zip(chosen, scores(curves), curves, strict=True)
  ]


def main(argv: Sequence[str] | None = None) -> int:
  """The command line; returns the exit code."""

  def run():
    parser = terminal.Parser("python -m experiments.studies.search", __doc__ or "")
    parser.add_argument("name", metavar="NAME", help=f"one of {', '.join(CONTENDERS)}")
    parser.add_argument("--trials", type=int, default=64, help="of each round")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--again", type=int, default=0, help="of the best, with another seed")
    parser.add_argument("--steps", type=int, default=120, help="of each run")
    parser.add_argument("--width", type=int, default=1, help="runs side by side")
    parser.add_argument("--out", type=terminal.a_path, required=True)
    given = parser.read(argv)
    if given.name not in CONTENDERS:
      raise UsageError(f"NAME must be one of {', '.join(CONTENDERS)}; got {given.name!r}.")
    for name in ("trials", "rounds", "steps", "width"):
      if getattr(given, name) < 1:
        raise UsageError(f"--{name} must be at least 1; got {getattr(given, name)}.")
    if not 0 <= given.again <= given.trials:
      raise UsageError(f"--again must be from 0 to --trials {given.trials}; got {given.again}.")
    _run(**vars(given))

  return terminal.run_main(run)


def _run(
  name: str, *, trials: int, rounds: int, again: int, steps: int, width: int, out: Path
) -> None:
  each = CONTENDERS[name]
  size = {"trials": trials, "rounds": rounds, "again": again}
  form = {"search": name, **size, "fixed": {**each.fixed, "steps": steps}}
  form |= {"space": each.space, "first": each.first}
  form = json.loads(json.dumps(form))
  before = read_json(out / trials_.FORM)
  if before and {n: before.get(n) for n in form} != form:
    raise UsageError(f"--out {out} holds another search: name a new folder.")
  out.mkdir(parents=True, exist_ok=True)
  if not before:
    write_json(out / trials_.FORM, {**form, "environment": environment()})
  log = out / trials_.LOG
  known = _whole_rounds(read_log(log) if log.exists() else [], trials, rounds, again)
  trainer = Trainer(each.fixed, each.space, width, steps=steps)
  stream = zlib.crc32(name.encode())  # else methods with as many numbers had the same points
  for rows in search(trainer, each.space, **size, first=each.first, stream=stream, known=[*known]):
    known += rows
    with new_file(log) as part:
      part.write_text("".join(json.dumps(row) + "\n" for row in known))
    score = max(row["score"] for row in rows)
    total = rounds + bool(again)
    print(f"{name}, round {rows[0]['round'] + 1} of {total}: best score {score:.3f}", flush=True)
  print(trials_.best(known, [*each.space]))


def _whole_rounds(
  rows: Sequence[dict[str, Any]], trials: int, rounds: int, again: int
) -> list[dict[str, Any]]:
  """Those of rounds that are complete: a round is written when it has ended."""
  sizes = [*[trials] * rounds, again]
  found: list[dict[str, Any]] = []
  for number, size in enumerate(sizes):
    own = [row for row in rows if row["round"] == number]
    if len(own) < size:
      break
    found += own
  return found


if __name__ == "__main__":
  sys.exit(start.main(main))
