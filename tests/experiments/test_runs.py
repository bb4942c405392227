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

from experiments import checkpoints, files, methods, modular
from experiments.members import Active
from experiments.progress import Progress

SMALL = ["--p", "7", "--batch-size", "8"]
ROOT = Path(__file__).parents[2]


def lines_of(path):
  return [json.loads(line) for line in path.read_text().splitlines()]


# The operation is in the data alone: each with some method, no two in one program.
@pytest.mark.parametrize(
  ("method", "operation"),
  [(method, ("add", "sub", "mul", "div")[i % 4]) for i, method in enumerate(methods.METHODS)],
)
def test_smoke(method, operation, tmp_path, capsys):
  out = tmp_path / "run"
  arguments = ["--method", method, "--operation", operation, "--steps", "11", "--out", str(out)]
  assert modular.EXPERIMENT.main([*SMALL, *arguments]) == 0
  assert {path.name for path in out.iterdir()} == {*files.FILES, files.LOCK}

  settings = json.loads((out / "settings.json").read_text())
  assert (settings["method"], settings["operation"]) == (method, operation)
  assert settings["weight_decay"] is not None
  records = lines_of(out / "metrics.jsonl")
  assert [record["step"] for record in records] == [3, 6, 9, 11]
  result = json.loads((out / "summary.json").read_text())
  assert result["steps"] == 11
  for name in ("train_99_step", "val_95_step", "val_95_sustained_step", "held_steps"):
    assert result[name] is None
  for name in ("seconds", "compile_seconds", "steps_per_second", "peak_bytes"):
    assert result[name] > 0
  environment = json.loads((out / "environment.json").read_text())
  assert {"jax", "optax", "flax", "grokfax"} <= set(environment["packages"])
  assert environment["devices"]
  with np.load(out / "parameters.npz") as parameters:
    assert sum(a.size for a in parameters.values()) == 128 * (9 + 5 + 9) + 2 * 198_272 + 256
    assert "blocks/layers/0/qkv/kernel" in parameters
  for name in ("accuracy.png", "loss.png"):
    assert (out / name).read_bytes().startswith(b"\x89PNG")

  text = capsys.readouterr().out
  assert str(out / "accuracy.png") in text
  assert method in text


def test_the_same_seed_gives_the_same_run_and_another_does_not(tmp_path):
  logs = []
  for i, seed in enumerate((3, 3, 4)):
    out = tmp_path / str(i)
    assert (
      modular.EXPERIMENT.main([*SMALL, "--steps", "6", "--seed", str(seed), "--out", str(out)]) == 0
    )
    records = lines_of(out / "metrics.jsonl")
    logs.append([{**record, "seconds": None} for record in records])
  assert logs[0] == logs[1] != logs[2]


def test_it_stops_when_held(tmp_path):
  """With 0 % as the threshold it holds from the first evaluation, at step 3, on."""
  experiment = dataclasses.replace(modular.EXPERIMENT, thresholds=(0.0,))
  out = tmp_path / "run"
  arguments = [*SMALL, "--steps", "3000", "--stop-when-held", "50", "--out", str(out)]
  assert experiment.main(arguments) == 0
  result = json.loads((out / "summary.json").read_text())
  assert result["val_0_step"] == 3
  assert result["held_steps"] == 51
  assert result["steps"] == 54
  assert result["val_0_sustained_step"] is None
  assert not result["interrupted"]


def test_it_learns(tmp_path):
  """Half of x + y (mod 7) is memorised within a few hundred steps."""
  out = tmp_path / "run"
  arguments = [*SMALL, "--method", "baseline", "--operation", "add", "--steps", "300"]
  assert modular.EXPERIMENT.main([*arguments, "--out", str(out)]) == 0
  assert json.loads((out / "summary.json").read_text())["train_99_step"] < 300


BAD = {
  "method": (["--method", "sgd"], "invalid choice 'sgd' for argument '--method'. Expected one of"),
  "operation": (["--operation", "pow"], "invalid choice 'pow'"),
  "flag": (["--frob", "3"], "--frob"),
  "number": (["--p", "seven"], "--p"),
  "missing": (["--alpha"], "--alpha"),
  "composite": (["--operation", "div", "--p", "15"], "needs a prime --p; 15 is not prime"),
  "fraction": (["--train-fraction", "1.5"], "--train-fraction must be between 0 and 1; got 1.5"),
  "batch": (["--batch-size", "9999"], "--batch-size must be from 1 to the 4,656 training pairs"),
  "range": (["--alpha", "1.5"], "--alpha must be in [0, 1); got 1.5"),
  "foreign": (["--method", "baseline", "--lamb", "2"], "baseline has no --lamb"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_one_line_and_exit_code_2(arguments, message, tmp_path, capsys):
  out = tmp_path / "run"
  assert modular.EXPERIMENT.main([*arguments, "--out", str(out)]) == 2
  captured = capsys.readouterr()
  assert captured.out == ""
  assert captured.err.startswith("error: ")
  assert message in captured.err
  assert captured.err.count("\n") == 1
  assert not out.exists()


def test_bad_input_as_a_process():
  command = [sys.executable, "-m", "experiments.modular", "--method", "nonsense"]
  done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
  assert done.returncode == 2
  assert done.stderr.count("\n") == 1


def test_another_run_in_the_folder_is_left_alone(tmp_path, capsys):
  out = tmp_path / "run"
  arguments = [*SMALL, "--steps", "3", "--out", str(out)]
  assert modular.EXPERIMENT.main(arguments) == 0
  before = {path.name: path.read_bytes() for path in out.iterdir()}
  capsys.readouterr()
  assert modular.EXPERIMENT.main(arguments) == 2
  assert "holds another run" in capsys.readouterr().err
  assert before == {path.name: path.read_bytes() for path in out.iterdir()}


def test_a_disk_full_from_the_start_leaves_nothing(tmp_path, monkeypatch, capsys):
  def full(path, value):
    raise OSError(28, "could not write: No space left on device", str(path))

  monkeypatch.setattr(files, "write_json", full)
  out = tmp_path / "run"
  assert modular.EXPERIMENT.main([*SMALL, "--steps", "3", "--out", str(out)]) == 1
  assert "could not write: No space left on device" in capsys.readouterr().err
  assert [path.name for path in out.iterdir()] == [files.LOCK]


def test_other_files_in_the_folder_are_left_alone(tmp_path):
  (tmp_path / "notes.txt").write_text("mine")
  assert modular.EXPERIMENT.main([*SMALL, "--steps", "3", "--out", str(tmp_path)]) == 0
  assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("where", ["a file", "under a file", "no permission"])
def test_a_folder_that_cannot_be_written(where, tmp_path, capsys):
  file = tmp_path / "file"
  file.write_text("mine")
  out = {"a file": file, "under a file": file / "run", "no permission": Path("/proc/run")}[where]
  assert modular.EXPERIMENT.main([*SMALL, "--steps", "3", "--out", str(out)]) == 2
  error = capsys.readouterr().err
  assert error.startswith(f"error: --out {out} ")
  assert error.count("\n") == 1
  assert file.read_text() == "mine"


def test_without_out_each_run_gets_a_new_folder(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  for _ in range(2):
    assert modular.EXPERIMENT.main([*SMALL, "--steps", "3"]) == 0
  names = {path.name for path in (tmp_path / "runs").iterdir()}
  assert names == {"modular-mul-grokfast_ema-0", "modular-mul-grokfast_ema-0-2"}


def start(out, *arguments, before="true"):
  """A run as a process, in a shell that first does `before`."""
  command = [sys.executable, "-m", "experiments.modular", *SMALL, "--out", str(out), *arguments]
  return subprocess.Popen(
    ["sh", "-c", f'{before}; exec "$@"', "sh", *command],
    cwd=ROOT,
    env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
  )


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
  assert f"stopped at step {result['steps']:,}" in text
  assert {path.name for path in out.iterdir()} == {*files.FILES, files.LOCK, checkpoints.NAME}


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


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
  path = tmp_path / "file"

  def write_half():
    with files.new_file(path) as part:
      part.write_text("half")
      raise OSError(28, "No space left on device")

  with pytest.raises(OSError, match=r"could not write: No space left on device.*file"):
    write_half()
  assert list(tmp_path.iterdir()) == []


def test_progress_elsewhere_than_on_a_terminal(capsys, monkeypatch):
  monkeypatch.setattr(Progress, "SECONDS_BETWEEN_LINES", 0.0)
  record = {"train_loss": 0.5, "val_loss": None, "train_accuracy": 0.991, "val_accuracy": 0.5}
  with Progress(100) as progress:
    progress.begin([Active(0, {}, 100)])
    for step in (50, 100):
      progress.update([Active(0, {}, 100, [{"step": step, **record}])])
  first = capsys.readouterr().err.splitlines()[0]
  assert first.startswith("step 50 of 100: loss 0.5/nan, acc 99.1%/50.0%; ")
  assert first.endswith(" s left")
