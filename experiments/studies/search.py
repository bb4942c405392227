"""A search for settings: trials spread over a space, then rounds of changes to the best.

    python -m experiments.studies.search adamw --trials 5 --rounds 2 --again 2 --steps 1200 --out F

Each trial trains on every operation; its score is the mean validation accuracy over the last
quarter of the budget, and a tenth of the mean over all of it. All have the same seed, one that no
table scores. The first trial is a method's known setting, the others of its round are spread over
the space (a Latin hypercube); later rounds stay near the best two, or a sixteenth of a round. With
`--again 2` the best two of all are trained once more with another seed, and the one with the higher
mean of its two scores is what was found.

With `--constant` no setting is drawn: those that are known, and what was found, are trained at a
constant rate instead of one that falls, the best of them with the other seed too.

All trials are written down, in `trials.jsonl`, a round at a time; a search that was stopped
resumes by the same command.
"""

import json
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments import start, terminal
from experiments.fields import UsageError
from experiments.files import new_file, read_json, write_json
from experiments.reports.pages.studies import trials as trials_
from experiments.runs.environment import environment
from experiments.runs.log import read_log
from experiments.studies.contenders import CONTENDERS
from experiments.studies.spaces import Space, changed, spread
from experiments.studies.trainer import Trainer

FIRST_SEED = 1_000  # of all trials; that of the best, once more, follows
OPERATIONS = ("mul", "sub")


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
  first: Sequence[Mapping[str, float]] = (),
  stream: int = 0,
  known: Sequence[Mapping[str, Any]] = (),
) -> Iterator[list[dict[str, Any]]]:
  """Yields the trials of each round that is not known, with their curves.

  Args:
    trainer: of the space.
    space: what is searched.
    trials: of a round.
    rounds: the first is spread over the space, each later one nearer to the best so far.
    again: how many of the best have one more round, with another seed.
    first: the first trials; the others of their round are drawn.
    stream: of random numbers.
    known: the trials of the first rounds, from an earlier search of the same numbers.
  """
  rng = np.random.default_rng(stream)
  best: list[tuple[float, dict[str, float]]] = []
  for number in range(rounds + bool(again)):
    seed = FIRST_SEED
    if number == 0:
      chosen = [*map(dict, first), *spread(space, trials - len(first), rng)]
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
    searched = ", ".join(name for name, each in CONTENDERS.items() if each.space)
    parser.add_argument("name", metavar="NAME", help=f"one of {searched}")
    parser.add_argument("--trials", type=int, default=64, help="of each round")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--again", type=int, default=0, help="of the best, with another seed")
    parser.add_argument("--steps", type=int, default=120, help="of each run")
    parser.add_argument("--width", type=int, default=1, help="runs side by side")
    parser.add_argument("--constant", action="store_true", help="known settings, at constant rates")
    parser.add_argument("--out", type=terminal.a_path, required=True)
    given = parser.read(argv)
    if given.name not in searched.split(", "):
      raise UsageError(f"NAME must be one of {searched}; got {given.name!r}.")
    for name in ("trials", "rounds", "steps", "width"):
      if getattr(given, name) < 1:
        raise UsageError(f"--{name} must be at least 1; got {getattr(given, name)}.")
    if not 0 <= given.again <= given.trials:
      raise UsageError(f"--again must be from 0 to --trials {given.trials}; got {given.again}.")
    each = CONTENDERS[given.name]
    size = {"trials": given.trials, "rounds": given.rounds, "again": given.again}
    first: list[Mapping[str, float]] = [each.first] if each.first else []
    fixed = {**each.fixed, "steps": given.steps}
    if given.constant:
      if any(value != parser.get_default(option) for option, value in size.items()):
        raise UsageError("--constant has no --trials, --rounds or --again.")
      first, fixed = _known(given.name), {**fixed, "lr_end": 1.0}
      size = {"trials": len(first), "rounds": 1, "again": 1}
    _run(given.name, fixed, first, size, given.width, given.out)

  return terminal.run_main(run)


def _known(name: str) -> list[Mapping[str, float]]:
  """The settings of a method that are known: its source's, what a search found, and another."""
  if not (trials_.TUNING / name / trials_.LOG).exists():
    raise UsageError(f"--constant needs the trials of {name} in {trials_.TUNING}.")
  each, (_, rows) = CONTENDERS[name], trials_.read(trials_.TUNING / name)
  settings = (each.first, trials_.best(rows, [*each.space]), each.known)
  return [*{tuple(setting.items()): setting for setting in settings if setting}.values()]


def _run(
  name: str,
  fixed: Mapping[str, Any],
  first: Sequence[Mapping[str, float]],
  size: Mapping[str, int],
  width: int,
  out: Path,
) -> None:
  space = CONTENDERS[name].space
  form = {"search": name, **size, "fixed": fixed, "space": space}
  form["first"] = first if len(first) > 1 else dict(*first)
  form = json.loads(json.dumps(form))
  before = read_json(out / trials_.FORM)
  if before and {n: before.get(n) for n in form} != form:
    raise UsageError(f"--out {out} holds another search: name a new folder.")
  out.mkdir(parents=True, exist_ok=True)
  if not before:
    write_json(out / trials_.FORM, {**form, "environment": environment()})
  log = out / trials_.LOG
  known = _whole_rounds(read_log(log) if log.exists() else [], **size)
  trainer = Trainer(fixed, space, width)
  stream = zlib.crc32(name.encode())  # else methods with as many numbers had the same points
  for rows in search(trainer, space, **size, first=first, stream=stream, known=[*known]):
    known += rows
    with new_file(log) as part:
      part.write_text("".join(json.dumps(row) + "\n" for row in known))
    score = max(row["score"] for row in rows)
    total = size["rounds"] + bool(size["again"])
    print(f"{name}, round {rows[0]['round'] + 1} of {total}: best score {score:.3f}", flush=True)
  print(trials_.best(known, [*space]))


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
