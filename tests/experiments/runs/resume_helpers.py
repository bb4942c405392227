"""A run that some tests break off, and how it is held to the unbroken one."""

import json

import numpy as np

from experiments import commands
from experiments.runs import checkpoints
from experiments.runs.log import read_log

TINY = ["--p", "7", "--batch-size", "8", "--width", "16", "--heads", "2", "--layers", "1"]
# A ring, and a window that wraps.
METHOD = ["--method", "grokfast_ma", "--window-size", "20"]
RUN = [*TINY, *METHOD, "--steps", "300"]
OFTEN = ["--checkpoint-every", "0"]


def main(*arguments):
  return commands.run_main("modular", [*RUN, *map(str, arguments)])


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
  files = (folder / checkpoints.FOLDER).glob("*.npz")
  return sorted(files, key=lambda file: -int(file.stem))


def content(folder):
  """Every file in a folder, but for the lock, with what is in it."""
  files = [file for file in folder.rglob("*") if file.is_file() and file.name != ".lock"]
  return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def refused(capsys, *arguments, task="modular"):
  """The one line with which a command ends that cannot be done."""
  capsys.readouterr()
  assert commands.run_main(task, [*map(str, arguments)]) == 2
  captured = capsys.readouterr()
  assert captured.out == ""
  assert captured.err.startswith("error: ")
  assert captured.err.count("\n") == 1
  return captured.err
