"""Runs that are killed, stopped or damaged, and gone on with."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import filelock
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import checkpoints, files, members, modular, runs
from experiments.journal import read_log
from tests.experiments.tools import Killed, killed_after

ROOT = Path(__file__).parents[2]
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


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
  out = tmp_path_factory.mktemp("unbroken") / "run"
  assert main("--out", out) == 0
  assert not (out / checkpoints.NAME).exists()
  return out


@pytest.fixture
def broken(tmp_path, monkeypatch):
  """A run that was killed in the middle, right after its fourth chunk was logged."""
  out = tmp_path / "run"
  with killed_after(3, monkeypatch) as patch:
    patch.setattr(members, "CHUNK_STEPS", 30)
    main("--out", out, *OFTEN)
  assert 0 < len(read_log(out / "metrics.jsonl")) < 101
  assert len(newest_first(out)) == 2
  return out


def newest_first(folder):
  numbered = [path for path in (folder / checkpoints.NAME).iterdir() if path.name.isdigit()]
  return sorted(numbered, key=lambda path: -int(path.name))


def test_a_run_goes_on_where_it_was(broken, unbroken, capsys):
  done = len(read_log(broken / "metrics.jsonl"))
  assert main("--out", broken, "--resume") == 0
  assert done < len(read_log(broken / "metrics.jsonl"))
  assert_same_run(broken, unbroken)
  assert not (broken / checkpoints.NAME).exists()
  environment = json.loads((broken / "environment.json").read_text())
  assert len(environment["resumed"]) == 1

  capsys.readouterr()
  before = {path.name: path.read_bytes() for path in broken.iterdir()}
  assert main("--out", broken, "--resume") == 0, "there is nothing more to do"
  assert "best validation accuracy" in capsys.readouterr().out
  assert before == {path.name: path.read_bytes() for path in broken.iterdir()}


def test_killed_after_the_last_step(unbroken, tmp_path, monkeypatch):
  """When all was trained and nothing of the end was written."""
  out = tmp_path / "run"

  def killed(*_):
    raise Killed

  with monkeypatch.context() as patch:
    patch.setattr(runs, "finish", killed)
    with pytest.raises(Killed):
      main("--out", out, *OFTEN)
  assert main("--out", out, "--resume") == 0
  assert_same_run(out, unbroken)


def test_damaged_files_are_one_line(broken, capsys):
  environment = (broken / "environment.json").read_text()
  (broken / "environment.json").write_text(environment[:30])
  assert "environment.json is damaged" in refused(capsys, *RUN, "--out", broken, "--resume")
  (broken / "environment.json").write_text(environment)
  (broken / "summary.json").write_text("{")
  assert "summary.json is damaged" in refused(capsys, *RUN, "--out", broken, "--resume")


def test_what_is_left_out_is_as_it_was(broken, unbroken):
  assert modular.EXPERIMENT.main(["--out", str(broken), "--resume"]) == 0
  assert_same_run(broken, unbroken)


def test_the_log_s_torn_line_is_written_anew(broken, unbroken):
  log = broken / "metrics.jsonl"
  log.write_bytes(log.read_bytes()[:-20])
  assert main("--out", broken, "--resume") == 0
  assert_same_run(broken, unbroken)


def tear(checkpoint):
  for file in checkpoint.rglob("*"):
    if file.is_file():
      file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def take_arrays(checkpoint):
  for file in (checkpoint / "arrays").rglob("*"):
    if file.is_file() and file.stat().st_size > 10_000:
      file.unlink()


def take_position(checkpoint):
  (checkpoint / "position" / "metadata").write_text('{"program": ')


@pytest.mark.parametrize("damage", [tear, take_arrays, take_position])
@pytest.mark.parametrize("how_many", [1, 2])
def test_a_torn_checkpoint_is_none(damage, how_many, broken, unbroken):
  """Then it is the one before, and without one the beginning."""
  for checkpoint in newest_first(broken)[:how_many]:
    damage(checkpoint)
  assert main("--out", broken, "--resume") == 0
  assert_same_run(broken, unbroken)


def test_a_checkpoint_of_another_program_is_none(broken, unbroken):
  with checkpoints.Checkpoints(broken) as foreign:
    _, position = next(foreign.positions())
    foreign.save({"w": jnp.ones(3)}, position)
    foreign.wait()
  assert main("--out", broken, "--resume") == 0
  assert_same_run(broken, unbroken)


def test_a_log_shorter_than_the_checkpoints_is_begun_anew(broken, unbroken):
  (broken / "metrics.jsonl").write_text("")
  assert main("--out", broken, "--resume") == 0
  assert_same_run(broken, unbroken)


def refused(capsys, *arguments):
  capsys.readouterr()
  assert modular.EXPERIMENT.main([*map(str, arguments)]) == 2
  captured = capsys.readouterr()
  assert captured.out == ""
  assert captured.err.count("\n") == 1
  return captured.err


def test_other_settings_are_refused_by_name(broken, capsys):
  before = (broken / "metrics.jsonl").read_bytes()
  changed = ["--lamb", "1.5", "--operation", "add"]
  error = refused(capsys, *RUN, *changed, "--out", broken, "--resume")
  assert f"the run in {broken} has --lamb 5.0, not 1.5, --operation mul, not add" in error
  assert (broken / "metrics.jsonl").read_bytes() == before


def test_what_cannot_be_gone_on_with_is_one_line(broken, tmp_path, capsys):
  assert "--resume needs the --out" in refused(capsys, *RUN, "--resume")
  assert "or go on with that one by --resume" in refused(capsys, *RUN, "--out", broken)

  foreign = tmp_path / "foreign"
  foreign.mkdir()
  (foreign / "settings.json").write_text('{"experiment": "mnist"}')
  assert "they are of mnist" in refused(capsys, *RUN, "--out", foreign, "--resume")
  (foreign / "settings.json").write_text("{")
  assert "is not the settings of a run" in refused(capsys, *RUN, "--out", foreign, "--resume")
  (foreign / "settings.json").rename(foreign / "metrics.jsonl")
  assert "without its settings.json" in refused(capsys, *RUN, "--out", foreign, "--resume")
  assert [path.name for path in foreign.iterdir() if path.name != files.LOCK] == ["metrics.jsonl"]


def test_a_second_process_is_refused(broken, capsys):
  with filelock.FileLock(broken / files.LOCK):
    error = refused(capsys, *RUN, "--out", broken, "--resume")
  assert "in use by another process" in error


def test_resume_begins_where_there_is_no_run(unbroken, tmp_path):
  assert main("--out", tmp_path / "run", "--resume") == 0
  assert_same_run(tmp_path / "run", unbroken)


# As processes.

COMMAND = [sys.executable, "-m", "experiments.modular", *RUN[:-1]]


def start(out, steps, cache, *arguments, before="true"):
  """A run as a process, in a shell that first does `before`."""
  command = [*COMMAND, str(steps), "--out", str(out), "--resume", *OFTEN, *arguments]
  quick = {
    "JAX_COMPILATION_CACHE_DIR": str(cache),
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
  }
  return subprocess.Popen(
    ["sh", "-c", f'{before}; exec "$@"', "sh", *command],
    cwd=ROOT,
    env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **quick},
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
  )


def size(file):
  return file.stat().st_size if file.exists() else 0


def wait_for_more(file, than, process):
  deadline = time.monotonic() + 120
  while size(file) <= than and process.poll() is None and time.monotonic() < deadline:
    time.sleep(0.01)


def killed_again_and_again(times, steps, tmp_path):
  """One run, killed at random moments; at the end it is as if nothing had been."""
  cache = tmp_path / "compiled"
  whole, out = tmp_path / "whole", tmp_path / "run"
  process = start(whole, steps, cache)
  process.communicate(timeout=300)
  assert process.returncode == 0
  expected = without_time(whole / "metrics.jsonl")

  moments = random.Random(0)
  log = out / "metrics.jsonl"
  for _ in range(times):
    process = start(out, steps, cache)
    if moments.random() < 0.8:
      wait_for_more(log, 0, process)
      # At the log's beginning it may be cut to where the checkpoint is.
      time.sleep(moments.uniform(0, 0.5))
    else:
      time.sleep(moments.uniform(0, 5))
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    records = without_time(log) if log.exists() else []
    assert records == expected[: len(records)]
  process = start(out, steps, cache)
  _, errors = process.communicate(timeout=300)
  assert process.returncode == 0, errors
  assert_same_run(out, whole)


def test_killed_at_three_moments(tmp_path):
  killed_again_and_again(3, 601, tmp_path)


@pytest.mark.slow
def test_killed_at_thirty_moments(tmp_path):
  killed_again_and_again(30, 6_001, tmp_path)


def test_a_full_disk_leaves_the_checkpoints_before(broken, unbroken, tmp_path):
  """Files may have 100 or 200 KB here, as the shell counts: a checkpoint does not fit."""
  before = {path.name for path in newest_first(broken)}
  process = start(broken, 301, tmp_path / "compiled", before="ulimit -f 200")
  _, errors = process.communicate(timeout=120)
  assert process.returncode == 1
  (line,) = [line for line in errors.splitlines() if line.startswith("error: ")]
  assert "could not write: No space" in line or "could not write: File too large" in line
  assert str(broken / checkpoints.NAME) in line
  assert "Traceback" not in errors
  assert before == {path.name for path in newest_first(broken)}
  assert main("--out", broken, "--resume") == 0
  assert_same_run(broken, unbroken)


def test_a_signal_keeps_a_checkpoint(tmp_path):
  """Pre-emption is a SIGTERM; the same command goes on."""
  out = tmp_path / "run"
  process = start(out, 1_000_000, tmp_path / "compiled")
  wait_for_more(out / "metrics.jsonl", 0, process)
  process.send_signal(signal.SIGTERM)
  text, errors = process.communicate(timeout=60)
  assert process.returncode == 130, errors
  steps = json.loads((out / "summary.json").read_text())["steps"]
  assert f"stopped at step {steps:,}; --resume --out {out} goes on" in text

  process = start(out, 1_000_000, tmp_path / "compiled")
  wait_for_more(out / "metrics.jsonl", size(out / "metrics.jsonl"), process)
  process.send_signal(signal.SIGINT)
  process.communicate(timeout=60)
  records = read_log(out / "metrics.jsonl")
  assert len(records) > steps / 3
  assert [record["step"] for record in records] == [3 * i for i in range(1, len(records) + 1)]
