"""Two processes on loopback, each with two devices, train one sweep as one process does."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from experiments import commands
from tests.experiments.runs.resume_helpers import TINY
from tests.experiments.tools import by_member

ROOT = Path(__file__).parents[3]
SWEEP = [
  *("modular", *TINY, "--method", "grokfast_ma", "--window-size", "5"),
  *("--seeds", "3", "--lamb", "1", "5", "--steps", "15", "--checkpoint-every", "0"),
]


def start(process, port, *arguments):
  place = ["--coordinator", f"localhost:{port}", "--processes", "2", "--process", str(process)]
  return subprocess.Popen(
    [sys.executable, "-m", "experiments.sweep", *arguments, *place],
    cwd=ROOT,
    env={
      **os.environ,
      "JAX_NUM_CPU_DEVICES": "2",
      "JAX_CPU_COLLECTIVES_IMPLEMENTATION": "gloo",
      "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",  # compiles in half the time
    },
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
  )


def free_port():
  with socket.socket() as free:
    free.bind(("localhost", 0))
    return free.getsockname()[1]


def two(*arguments):
  port = free_port()
  return [start(i, port, *arguments) for i in range(2)]


@pytest.fixture(scope="module")
def one(tmp_path_factory):
  out = tmp_path_factory.mktemp("one") / "out"
  assert commands.sweep_main([*SWEEP, "--out", str(out)]) == 0
  return by_member(out)


def assert_close(found, expected):
  assert found.keys() == expected.keys() == set(range(6))
  for index, records in found.items():
    assert [r["step"] for r in records] == [r["step"] for r in expected[index]]
    for name in ("train_loss", "val_loss"):
      np.testing.assert_allclose(
        [r[name] for r in records], [r[name] for r in expected[index]], rtol=1e-3
      )


@pytest.mark.gate
def test_two_processes_are_one_sweep(one, tmp_path):
  out = tmp_path / "two"
  processes = two(*SWEEP, "--at-once", "4", "--out", str(out))
  texts = [process.communicate(timeout=300) for process in processes]
  assert [process.returncode for process in processes] == [0, 0], texts
  assert "results: " in texts[0][0]
  assert "members" not in texts[1][0], "one of them speaks"
  assert_close(by_member(out), one)


@pytest.mark.gate
def test_two_processes_are_killed_and_resumed(one, tmp_path):
  out = tmp_path / "two"
  log = out / "metrics.jsonl"
  processes = two(*SWEEP, "--at-once", "4", "--out", str(out))
  deadline = time.monotonic() + 300
  while not (log.exists() and log.stat().st_size) and time.monotonic() < deadline:
    time.sleep(0.01)
  for process in processes:
    process.send_signal(signal.SIGKILL)
  for process in processes:
    process.communicate(timeout=60)
  processes = two("modular", "--out", str(out), "--resume")
  texts = [process.communicate(timeout=300) for process in processes]
  assert [process.returncode for process in processes] == [0, 0], texts
  assert_close(by_member(out), one)


@pytest.mark.parametrize(
  ("arguments", "message"),
  [
    (["--processes", "2"], "--coordinator"),
    (["--coordinator", "localhost:1", "--processes", "2", "--process", "2"], "--process"),
    (["--coordinator", "localhost:1", "--processes", "2"], "--out"),
    (["--coordinator", "here"], "--coordinator"),
  ],
)
def test_an_invalid_process_index_is_refused(arguments, message, capsys):
  assert commands.sweep_main([*SWEEP, *arguments]) == 2
  assert message in capsys.readouterr().err
