"""Runs as processes: killed, pre-empted, on a full disk."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments.runs import checkpoints
from experiments.runs.log import read_log
from tests.experiments.runs.resume_helpers import (
  OFTEN,
  RUN,
  assert_same_run,
  main,
  newest_first,
  without_time,
)

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.gate
COMMAND = [sys.executable, "-m", "experiments.modular", *RUN[:-1]]


def start(out, steps, *arguments, before="true"):
  """A run as a process, in a shell that first does `before`."""
  command = [*COMMAND, str(steps), "--out", str(out), "--resume", *OFTEN, *arguments]
  quick = {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
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
  whole, out = tmp_path / "whole", tmp_path / "run"
  process = start(whole, steps)
  process.communicate(timeout=300)
  assert process.returncode == 0
  expected = without_time(whole / "metrics.jsonl")

  moments = random.Random(0)
  log = out / "metrics.jsonl"
  for _ in range(times):
    process = start(out, steps)
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
  process = start(out, steps)
  _, errors = process.communicate(timeout=300)
  assert process.returncode == 0, errors
  assert_same_run(out, whole)


def test_killed_at_three_moments(tmp_path):
  killed_again_and_again(3, 30_000, tmp_path)


@pytest.mark.slow
def test_killed_at_thirty_moments(tmp_path):
  killed_again_and_again(30, 60_000, tmp_path)


def test_a_full_disk_leaves_the_checkpoints_before(broken, unbroken, tmp_path):
  """Files may have 100 or 200 KB here, as the shell counts: a checkpoint does not fit."""
  before = {path.name for path in newest_first(broken)}
  process = start(broken, 300, before="ulimit -f 200")
  _, errors = process.communicate(timeout=120)
  assert process.returncode == 1
  (line,) = [line for line in errors.splitlines() if line.startswith("error: ")]
  assert "could not write: No space" in line or "could not write: File too large" in line
  assert str(broken / checkpoints.FOLDER) in line
  assert "Traceback" not in errors
  assert before == {path.name for path in newest_first(broken)}
  assert main("--out", broken, "--resume") == 0
  assert_same_run(broken, unbroken)


def test_a_signal_keeps_a_checkpoint(tmp_path):
  """Pre-emption is a SIGTERM; the same command goes on."""
  out = tmp_path / "run"
  process = start(out, 1_000_000)
  wait_for_more(out / "metrics.jsonl", 0, process)
  process.send_signal(signal.SIGTERM)
  text, errors = process.communicate(timeout=60)
  assert process.returncode == 130, errors
  steps = json.loads((out / "summary.json").read_text())["steps"]
  logged = (out / "metrics.jsonl").read_bytes()
  assert f"--resume --out {out}" in text

  process = start(out, 1_000_000)
  wait_for_more(out / "metrics.jsonl", size(out / "metrics.jsonl"), process)
  process.send_signal(signal.SIGINT)
  process.communicate(timeout=60)
  assert (out / "metrics.jsonl").read_bytes().startswith(logged), "none of it was trained again"
  records = read_log(out / "metrics.jsonl")
  assert len(records) > steps / 3
  assert [record["step"] for record in records] == [3 * i for i in range(1, len(records) + 1)]
