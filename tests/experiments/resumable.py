"""A run that some tests break off, and how it is held to the unbroken one."""

import json

import numpy as np

from experiments import checkpoints, modular
from experiments.journal import read_log

# A ring, a window that wraps, and a budget that ends within an epoch.
METHOD = ["--method", "grokfast_ma", "--window-size", "20"]
RUN = ["--p", "7", "--batch-size", "8", *METHOD, "--steps", "301"]
OFTEN = ["--checkpoint-every", "0"]


def main(*arguments):
  return modular.EXPERIMENT.main([*RUN, *map(str, arguments)])


def without_time(file):
  return [{**record, "seconds": None} for record in read_log(file)]


def result(folder):
  timed = ("seconds", "compile_seconds", "steps_per_second", "peak_bytes")
  summary = json.loads((folder / "summary.json").read_text())
  return {name: value for name, value in summary.items() if name not in timed}


def assert_same_run(one, other):
  assert without_time(one / "metrics.jsonl") == without_time(other / "metrics.jsonl")
  assert result(one) == result(other)
  with np.load(one / "parameters.npz") as a, np.load(other / "parameters.npz") as b:
    assert {name: array.tobytes() for name, array in a.items()} == {
      name: array.tobytes() for name, array in b.items()
    }


def newest_first(folder):
  numbered = [path for path in (folder / checkpoints.NAME).iterdir() if path.name.isdigit()]
  return sorted(numbered, key=lambda path: -int(path.name))
