"""Runs as a user starts them: what is written, what is refused, what a stop leaves."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from experiments import commands
from experiments.methods import METHODS
from experiments.runs import checkpoints, folder, loop
from experiments.tasks import TASKS
from experiments.tasks.task import Goal
from tests.experiments.runs.resume_helpers import TINY, content, refused

ROOT = Path(__file__).parents[3]


def main(*arguments):
  return commands.run_main("modular", [*TINY, *map(str, arguments)])


def lines_of(path):
  return [json.loads(line) for line in path.read_text().splitlines()]


# The operation is in the data alone: each with some method, no two in one program.
@pytest.mark.parametrize(
  ("method", "operation"),
  [(method, ("add", "sub", "mul", "div")[i % 4]) for i, method in enumerate(METHODS)],
)
def test_smoke(method, operation, tmp_path, capsys):
  out = tmp_path / "run"
  arguments = ["--method", method, "--operation", operation, "--steps", "11", "--out", out]
  assert main(*arguments) == 0
  assert {path.name for path in out.iterdir()} == {*folder.FILES, folder.SEAL, folder.LOCK}

  saved = json.loads((out / "settings.json").read_text())
  assert (saved["method"], saved["operation"]) == (method, operation)
  assert saved["decay_matrices" if method == "recipe" else "weight_decay"] is not None
  records = lines_of(out / "metrics.jsonl")
  assert [record["step"] for record in records] == [3, 6, 9, 12], "rounded up"
  result = json.loads((out / "summary.json").read_text())
  assert result["steps"] == result["parameters_step"] == 12
  for name in ("train_99_step", "val_95_step", "val_95_sustained_step", "held_steps"):
    assert result[name] is None
  for name in ("seconds", "compile_seconds", "steps_per_second", "peak_bytes"):
    assert result[name] > 0
  environment = json.loads((out / "environment.json").read_text())
  assert {"jax", "optax", "flax", "grokfax"} <= set(environment["packages"])
  assert environment["devices"]
  assert environment["command"]
  with np.load(out / "parameters.npz") as parameters:
    sizes = {name: a.size for name, a in parameters.items()}
  # Embeddings and head of width 16; a block of it; two more layer norms than blocks have.
  block = 16 * 48 + 48 + 16 * 16 + 16 + 16 * 64 + 64 + 64 * 16 + 16 + 2 * 2 * 16
  assert sum(sizes.values()) == 16 * (9 + 5 + 9) + block + 2 * 16
  assert sizes["blocks/layers/0/qkv/kernel"] == 16 * 48
  for name in ("accuracy.png", "loss.png"):
    assert (out / name).read_bytes().startswith(b"\x89PNG")

  text = capsys.readouterr().out
  assert str(out / "accuracy.png") in text
  assert method in text
  assert "11 rounded up" in text


def test_the_same_seed_gives_the_same_run_and_another_does_not(tmp_path):
  logs = []
  for i, seed in enumerate((3, 3, 4)):
    out = tmp_path / str(i)
    assert main("--steps", "6", "--seed", seed, "--out", out) == 0
    logs.append([{**record, "seconds": None} for record in lines_of(out / "metrics.jsonl")])
  assert logs[0] == logs[1] != logs[2]


def test_it_stops_when_held(tmp_path, monkeypatch):
  """With 0 % as the goal it holds from the first evaluation, at step 3, on."""
  task = dataclasses.replace(TASKS["modular"], goals=(Goal("val_accuracy", 0.0),))
  monkeypatch.setitem(TASKS, "modular", task)
  out = tmp_path / "run"
  assert main("--steps", "3000", "--stop-when-held", "50", "--out", out) == 0
  result = json.loads((out / "summary.json").read_text())
  assert result["val_0_step"] == 3
  assert result["held_steps"] == 51
  assert result["steps"] == lines_of(out / "metrics.jsonl")[-1]["step"] == 54
  assert result["parameters_step"] >= 54, "the chunk that was under way went on"
  assert result["val_0_sustained_step"] is None
  assert not result["interrupted"]


def test_it_learns(tmp_path):
  """Half of x + y (mod 7) is memorised within some hundred steps."""
  out = tmp_path / "run"
  arguments = ["--method", "baseline", "--operation", "add", "--learning-rate", "0.003"]
  assert main(*arguments, "--steps", "1500", "--out", out) == 0
  assert json.loads((out / "summary.json").read_text())["train_99_step"] < 1_500


@pytest.mark.slow
def test_it_groks(tmp_path):
  """EMA on x · y (mod 97), seed 0, is at 95 % within its budget, as the committed run is."""
  out = tmp_path / "run"
  assert commands.run_main("modular", ["--out", str(out)]) == 0
  committed = ROOT / "experiments" / "results" / "modular" / "mul-grokfast_ema-0"
  here, there = (json.loads((f / "summary.json").read_text()) for f in (out, committed))
  assert here["train_99_step"] < here["val_95_step"] <= 2_500
  assert here["val_95_step"] == pytest.approx(there["val_95_step"], abs=500)  # other machines


BAD = {
  "method": (["--method", "sgd"], "--method"),
  "operation": (["--operation", "pow"], "--operation"),
  "flag": (["--frob", "3"], "--frob"),
  "number": (["--p", "seven"], "--p"),
  "missing": (["--alpha"], "--alpha"),
  "composite": (["--operation", "div", "--p", "15"], "15"),
  "fraction": (["--train-fraction", "1.5"], "--train-fraction"),
  "batch": (["--batch-size", "9999"], "4,656"),
  "range": (["--alpha", "1.5"], "--alpha"),
  "foreign": (["--method", "baseline", "--lamb", "2"], "--lamb"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_one_line_and_exit_code_2(arguments, message, tmp_path, capsys):
  out = tmp_path / "run"
  assert message in refused(capsys, *arguments, "--out", out)
  assert not out.exists()


def test_another_run_in_the_folder_is_left_alone(tmp_path, capsys):
  out = tmp_path / "run"
  assert main("--steps", "3", "--out", out) == 0
  before = content(out)
  assert str(out) in refused(capsys, *TINY, "--steps", "3", "--out", out)
  assert before == content(out)


def test_a_disk_full_from_the_start_leaves_nothing(tmp_path, monkeypatch, capsys):
  def full(path, value):
    raise OSError(28, "could not write: No space left on device", str(path))

  monkeypatch.setattr(folder, "write_json", full)
  out = tmp_path / "run"
  assert main("--steps", "3", "--out", out) == 1
  assert "could not write: No space left on device" in capsys.readouterr().err
  assert [path.name for path in out.iterdir()] == [folder.LOCK]


def test_other_files_in_the_folder_are_left_alone(tmp_path):
  (tmp_path / "notes.txt").write_text("mine")
  assert main("--steps", "3", "--out", tmp_path) == 0
  assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("where", ["a file", "under a file", "no permission"])
def test_a_folder_that_cannot_be_written(where, tmp_path, capsys):
  file = tmp_path / "file"
  file.write_text("mine")
  out = {"a file": file, "under a file": file / "run", "no permission": Path("/proc/run")}[where]
  assert main("--steps", "3", "--out", out) == 2
  error = capsys.readouterr().err
  assert error.startswith(f"error: --out {out} ")
  assert error.count("\n") == 1
  assert file.read_text() == "mine"


def test_without_out_each_run_gets_a_new_folder(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  for _ in range(2):
    assert main("--steps", "3") == 0
  names = {path.name for path in (tmp_path / "runs").iterdir()}
  assert names == {"modular-mul-grokfast_ema-0", "modular-mul-grokfast_ema-0-2"}


def start(out, *arguments, before="true"):
  """A run as a process, in a shell that first does `before`."""
  command = [sys.executable, "-m", "experiments.modular", *TINY, "--out", str(out), *arguments]
  return subprocess.Popen(
    ["sh", "-c", f'{before}; exec "$@"', "sh", *command],
    cwd=ROOT,
    env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
  )


@pytest.mark.gate
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_keeps_what_there_is_and_says_where(number, tmp_path):
  out = tmp_path / "run"
  process = start(out, "--steps", "1000000")
  log = out / "metrics.jsonl"
  deadline = time.monotonic() + 120
  while not (log.exists() and log.stat().st_size) and time.monotonic() < deadline:
    time.sleep(0.1)
  process.send_signal(number)
  text, errors = process.communicate(timeout=60)
  assert process.returncode == 130
  assert "Traceback" not in errors
  assert str(out) in text
  result = json.loads((out / "summary.json").read_text())
  records = lines_of(log)
  assert result["interrupted"]
  assert result["steps"] == records[-1]["step"] < 1_000_000
  assert f"step {result['steps']:,}" in text
  assert f"--resume --out {out}" in text
  assert {path.name for path in out.iterdir()} == {*folder.FILES, folder.LOCK, checkpoints.FOLDER}


@pytest.mark.gate
def test_a_full_disk_is_one_line_and_leaves_whole_files(tmp_path):
  """Files may have 4 or 8 KB here, as the shell counts: the log is the first that does not fit."""
  out = tmp_path / "run"
  process = start(out, "--steps", "1000000", before="ulimit -f 8")
  _, errors = process.communicate(timeout=120)
  assert process.returncode == 1
  last = errors.strip().splitlines()[-1]
  assert last.startswith("error: ")
  assert "could not write" in last
  assert "metrics.jsonl" in last
  assert "Traceback" not in errors
  assert json.loads((out / "settings.json").read_text())
  whole = (out / "metrics.jsonl").read_text().splitlines()[:-1]
  assert [json.loads(line)["step"] for line in whole] == [3 * i for i in range(1, len(whole) + 1)]


def test_a_second_ctrl_c_ends_at_once_and_says_where(tmp_path, monkeypatch, capsys):
  out = tmp_path / "run"
  logged = loop.Loop._logged

  def interrupted(self, *args):
    seen = logged(self, *args)
    signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGINT)
    return seen

  monkeypatch.setattr(loop.Loop, "_logged", interrupted)
  assert main("--steps", "3000", "--out", out) == 130
  assert f"--resume --out {out}" in capsys.readouterr().err
  assert lines_of(out / "metrics.jsonl")
  assert not (out / "summary.json").exists()
  monkeypatch.undo()
  assert main("--steps", "3000", "--out", out, "--resume") == 0
