"""A search for a method's settings, as all methods of the benchmark have it.

    python -m experiments.studies.search adamw
    python -m experiments.studies.search adamw --constant

The first trial is the method's `first`, the others of its round are spread over the space (a Latin
hypercube); later rounds stay near the best two, or a sixteenth of a round. The best are trained
once more with another seed, and the one with the highest mean of its two scores is what was found.

With --constant no setting is drawn: `first`, what was found, and `earlier`, where there is one, are
trained at a constant rate instead of one that falls, the best of them with the other seed too. In
the end stands what is to be entered as `tuned`.

All trials are written down, in `trials.jsonl`, a round at a time; a search that was stopped
resumes by the same command.
"""

import argparse
import json
import shlex
import sys
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments import start, terminal
from experiments.fields import UsageError
from experiments.files import new_file, read_json, write_json
from experiments.reports import trials
from experiments.runs.environment import environment
from experiments.runs.folder import alone
from experiments.studies.contenders import AGAIN, CONTENDERS, ROUNDS, STEPS, TRIALS, Contender
from experiments.studies.rounds import search
from experiments.studies.trainer import Trainer

SIZE = {"trials": TRIALS, "rounds": ROUNDS, "again": AGAIN}  # of every search of the benchmark


def main(argv: Sequence[str] | None = None) -> int:
  """The command line; returns the exit code."""
  words = list(sys.argv[1:] if argv is None else argv)

  def run():
    given = _parser().read(words)
    if given.name not in _searched():
      raise UsageError(f"NAME must be one of {', '.join(_searched())}; got {given.name!r}.")
    each, size = CONTENDERS[given.name], _size(given)
    _check(given.name, each)
    first: list[Mapping[str, float]] = [each.first] if each.first else []
    fixed = {**each.fixed, "steps": given.steps}
    if given.constant:
      first, fixed = _at_constant_rate(given.name, fixed), {**fixed, "lr_end": 1.0}
      size = {"trials": len(first), "rounds": 1, "again": 1}
    out = given.out or (trials.CONSTANT if given.constant else trials.TUNING) / given.name
    with alone(out):
      try:
        rows = _run(given.name, fixed, first, size, given.width, out)
      except KeyboardInterrupt:
        again = shlex.join(["python", "-m", "experiments.studies.search", *words])
        raise KeyboardInterrupt(f"stopped; to resume:\n{again}") from None
    print(f"best of these: {trials.best(rows, [*each.space])}")
    if given.constant:
      falling = trials.read(trials.TUNING / given.name)
      print(f"to be entered as tuned: {trials.chosen(falling, rows)}")

  return terminal.run_main(run)


def _parser() -> terminal.Parser:
  parser = terminal.Parser("python -m experiments.studies.search", __doc__ or "")
  parser.add_argument("name", metavar="NAME", help=f"one of {', '.join(_searched())}")
  helps = "of each round", "all but the last", "how many of the best, with another seed"
  for (name, number), about in zip(SIZE.items(), helps, strict=True):
    parser.add_argument(f"--{name}", type=int, help=f"{about} (default: {number})")
  parser.add_argument("--steps", type=int, default=STEPS, help=f"of each run (default: {STEPS})")
  parser.add_argument("--width", type=int, default=1, help="runs side by side")
  parser.add_argument("--constant", action="store_true", help="what is known, at a constant rate")
  parser.add_argument("--out", type=terminal.a_path, help="a folder (default: the committed one)")
  return parser


def _searched() -> list[str]:
  return [name for name, each in CONTENDERS.items() if each.space]


def _size(given: argparse.Namespace) -> dict[str, int]:
  """Trials, rounds and again, checked as the other numbers are."""
  asked = {name: getattr(given, name) for name in SIZE if getattr(given, name) is not None}
  size = SIZE | asked
  if given.constant and asked:
    raise UsageError("--constant has no --trials, --rounds or --again.")
  for name, value in {**size, "steps": given.steps, "width": given.width}.items():
    if name != "again" and value < 1:
      raise UsageError(f"--{name} must be at least 1; got {value}.")
  if not 0 <= size["again"] <= size["trials"]:
    raise UsageError(f"--again must be from 0 to --trials {size['trials']}; got {size['again']}.")
  if given.out is None and (size, given.steps) != (SIZE, STEPS):
    raise UsageError("another size than the benchmark's needs an --out: the default is committed.")
  return size


def _check(name: str, each: Contender) -> None:
  """Raises a `UsageError` for an entry that would be found wrong when all is trained."""
  if each.first and each.first.keys() != each.space.keys():
    numbers = ", ".join(each.space)
    raise UsageError(
      f"the first trial of {name} must have the numbers of its space, {numbers}; "
      f"got {', '.join(each.first)}."
    )
  for number, (low, high, log) in each.space.items():
    if not (low > 0 if log else True) or not low < high:
      raise UsageError(
        f"the space of {name} must go up, and from above 0 for a logarithm; got {number} from "
        f"{low:g} to {high:g}."
      )


def _at_constant_rate(name: str, fixed: Mapping[str, Any]) -> list[Mapping[str, float]]:
  """What is tried at a constant rate: a method's first setting, the found one, an earlier one."""
  if "lr_end" not in fixed:
    raise UsageError(f"--constant needs a rate that falls; {name} has no lr_end among its fixed.")
  if not (trials.TUNING / name).exists():
    raise UsageError(f"--constant needs the trials of {name} in {trials.TUNING}.")
  form, rows = trials.read(trials.TUNING / name)
  if form["fixed"] != fixed:
    raise UsageError(
      f"--constant needs the trials of {name} with what is fixed now, {_told(fixed)}; they have "
      f"{_told(form['fixed'])}."
    )
  each = CONTENDERS[name]
  settings = (each.first, trials.best(rows, [*each.space]), each.earlier)
  return [*{tuple(setting.items()): setting for setting in settings if setting}.values()]


def _told(fixed: Mapping[str, Any]) -> str:
  return ", ".join(f"{name} {value}" for name, value in fixed.items())


def _run(
  name: str,
  fixed: Mapping[str, Any],
  first: Sequence[Mapping[str, float]],
  size: Mapping[str, int],
  width: int,
  out: Path,
) -> list[trials.Trial]:
  """Trains what is not there yet; returns all trials."""
  space = CONTENDERS[name].space
  form = {"search": name, **size, "fixed": fixed, "space": space}
  form["first"] = first if len(first) > 1 else dict(*first)
  form = json.loads(json.dumps(form))
  before, done = _before(out, form)
  trainer = Trainer(fixed, space, width)  # raises for settings that are none
  stream = zlib.crc32(name.encode())  # else methods with as many numbers had the same points
  rounds = search(trainer, space, **size, first=first, stream=stream, done=[*done])
  total, seen = size["rounds"] + bool(size["again"]), {row["round"] for row in done}
  here = environment()
  if not before:
    before = {**form, "environment": here}
    write_json(out / trials.FORM, before)
  elif len(seen) < total:
    before["resumed"] = [*before.get("resumed", []), here]
    write_json(out / trials.FORM, before)
  else:
    print(f"{out} has all trials, of commit {before['environment'].get('commit')}")
  for rows in rounds:
    done += rows
    with new_file(out / trials.LOG) as part:
      part.write_text("".join(json.dumps(row) + "\n" for row in done))
    score = max(row["score"] for row in done)
    print(f"{name}, round {rows[0]['round'] + 1} of {total}: best score {score:.3f}", flush=True)
  return done


def _before(out: Path, form: Mapping[str, Any]) -> tuple[dict[str, Any], list[trials.Trial]]:
  """What a folder has of this search: its form, and the trials of the rounds that are whole."""
  before = read_json(out / trials.FORM)
  other = [
    f"{name} {before.get(name)}, not {value}" for name, value in form.items()
    if before.get(name) != value
  ]  # fmt: skip
  if before and other:
    raise UsageError(f"--out {out} holds another search: name a new folder. It has {other[0]}.")
  if not before and (out / trials.LOG).exists():
    raise UsageError(f"--out {out} holds trials without their {trials.FORM}: name a new folder.")
  if not before or not (out / trials.LOG).exists():
    return before, []
  return before, trials.whole_rounds(out / trials.LOG, form)


if __name__ == "__main__":
  sys.exit(start.main(main))
