"""What benchmarks have in common: times that can be compared, memory, tables and JSON files."""

import argparse
import ctypes
import gc
import importlib
import importlib.util
import json
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax

from experiments.files import RESULTS, new_file
from experiments.reports import tables
from experiments.runs.environment import environment
from experiments.training.devices import memory_bytes

FOLDER = RESULTS / "benchmarks"
ROUNDS = 7  # turns that each of the things compared has


def parser(about: str | None) -> argparse.ArgumentParser:
  """A command line with `--out`."""
  form = argparse.RawDescriptionHelpFormatter
  made = argparse.ArgumentParser(description=about, formatter_class=form)
  made.add_argument("--out", type=Path, default=FOLDER, help="the folder of the JSON files")
  return made


class Ratio(NamedTuple):
  """How many times as long one thing takes as another, over the rounds in which both were timed."""

  median: float
  low: float
  high: float


def in_turns(
  cases: Mapping[str, Callable[[], Any]], *, seconds: float = 2.0, rounds: int = ROUNDS
) -> dict[str, list[float]]:
  """Seconds of a call of each, once a round.

  Args:
    cases: each is called, and has done all its work when it returns.
    seconds: for all of it, about; each case is called at least once a round.
    rounds: how many turns each case has.
  """
  share = seconds / (rounds * len(cases))
  calls = {}
  for name, call in cases.items():
    call()  # whatever is done only once
    begun = time.perf_counter()
    call()
    calls[name] = max(1, int(share / (time.perf_counter() - begun)))
  times: dict[str, list[float]] = {name: [] for name in cases}
  for _ in range(rounds):
    for name, call in cases.items():
      begun = time.perf_counter()
      for _ in range(calls[name]):
        call()
      times[name].append((time.perf_counter() - begun) / calls[name])
  return times


def ratio(times: Sequence[float], to: Sequence[float]) -> Ratio:
  """Round by round, for what disturbs a round disturbs both.

  >>> ratio([2.0, 9.0, 2.2], to=[1.0, 3.0, 1.0])
  Ratio(median=2.2, low=2.0, high=3.0)
  """
  each = sorted(one / other for one, other in zip(times, to, strict=True))
  return Ratio(statistics.median(each), each[0], each[-1])


def fits(needed: int, beside: int = 0) -> bool:
  """Whether that is at most half of the memory, and with what is beside it three quarters."""
  return needed <= memory_bytes() / 2 and needed + beside <= 3 * memory_bytes() / 4


def give_memory_back() -> None:
  """Gives the memory of what is no longer needed back to the system: glibc's malloc keeps it."""
  gc.collect()
  if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
    trim(0)


def torch_side(name: str) -> Any:
  """The module of that name, which needs torch; None where that is not installed."""
  if importlib.util.find_spec("torch") is None:
    return None
  return importlib.import_module(f"experiments.benchmarks.torch_side.{name}")


def file_of(name: str, folder: Path) -> Path:
  """Where a benchmark's results on this backend are."""
  return folder / f"{name}-{jax.default_backend()}.json"


def write(name: str, rows: Sequence[Mapping[str, Any]], folder: Path) -> None:
  """Writes the rows, the command but for its folder, and what ran on what."""
  here = environment()
  del here["command"]  # which names the folder
  spec = sys.modules["__main__"].__spec__
  told = [word for word in sys.argv[1:] if word not in ("--out", str(folder))]
  command = ["python", "-m", spec.name if spec else __name__, *told]
  made = {"command": shlex.join(command), "environment": here, "rows": rows}
  folder.mkdir(parents=True, exist_ok=True)
  file = file_of(name, folder)
  with new_file(file) as part:
    part.write_text(json.dumps(made, indent=1) + "\n")
  print(f"results: {file}", file=sys.stderr)


def show(rows: Sequence[Mapping[str, Any]]) -> None:
  """Prints the table."""
  print(tables.of_records(rows), flush=True)
