"""Two processes on loopback, each with two devices, train one sweep as one process does."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from experiments import sweep
from tests.experiments.tools import by_member

ROOT = Path(__file__).parents[2]
SWEEP = [
  *("modular", "--p", "7", "--batch-size", "8", "--method", "grokfast_ma", "--window-size", "5"),
  *("--seeds", "3", "--lamb", "1", "5", "--steps", "13", "--checkpoint-every", "0"),
]


def start(process, port, out, cache):
  place = ["--coordinator", f"localhost:{port}", "--processes", "2", "--process", str(process)]
  return subprocess.Popen(
    [
      sys.executable,
      "-m",
      "experiments.sweep",
      *SWEEP,
      "--at-once",
      "4",
      "--out",
      str(out),
      *place,
    ],
    cwd=ROOT,
    env={
      **os.environ,
      "JAX_NUM_CPU_DEVICES": "2",
      "JAX_CPU_COLLECTIVES_IMPLEMENTATION": "gloo",
      "JAX_COMPILATION_CACHE_DIR": str(cache),
      "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",  # compiles in half the time
    },
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
  )


def test_two_processes_are_one_sweep(tmp_path):
  with socket.socket() as free:
    free.bind(("localhost", 0))
    port = free.getsockname()[1]
  out = tmp_path / "two"
  processes = [start(i, port, out, tmp_path / "compiled") for i in range(2)]
  texts = [process.communicate(timeout=300) for process in processes]
  assert [process.returncode for process in processes] == [0, 0], texts
  assert "results: " in texts[0][0]
  assert "members" not in texts[1][0], "one of them speaks"

  one = tmp_path / "one"
  assert sweep.main([*SWEEP, "--at-once", "1", "--out", str(one)]) == 0
  expected, found = by_member(one), by_member(out)
  assert found.keys() == expected.keys() == set(range(6))
  for index, records in found.items():
    assert [r["step"] for r in records] == [r["step"] for r in expected[index]]
    for name in ("train_loss", "val_loss"):
      np.testing.assert_allclose(
        [r[name] for r in records], [r[name] for r in expected[index]], rtol=1e-3
      )


@pytest.mark.parametrize(
  ("arguments", "message"),
  [
    (["--processes", "2"], "need a --coordinator"),
    (["--coordinator", "localhost:1", "--processes", "2", "--process", "2"], "--process must be"),
    (["--coordinator", "localhost:1", "--processes", "2"], "needs an --out"),
  ],
)
def test_what_is_no_place_among_processes(arguments, message, capsys):
  assert sweep.main([*SWEEP, *arguments]) == 2
  assert message in capsys.readouterr().err
