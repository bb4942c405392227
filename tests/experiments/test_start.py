"""Commands as processes from their first moment: Ctrl-C, and streams that are closed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.experiments.runs.resume_helpers import TINY

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.gate


def command(name, *arguments):
  return [sys.executable, "-m", f"experiments.{name}", *map(str, arguments)]


def started(words, **streams):
  pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
  return subprocess.Popen(words, cwd=ROOT, **pipes | streams)


# Seconds from the start: imports, tracing, compilation, training, drawing.
@pytest.mark.parametrize("after", [0.1, 0.25, 0.5, 0.9, 1.3, 1.8, 2.5, 4.0])
def test_one_ctrl_c_ends_it(after, tmp_path):
  out = tmp_path / "run"
  process = started(command("modular", *TINY, "--steps", 10_000_000, "--out", out))
  time.sleep(after)
  process.send_signal(signal.SIGINT)
  _, errors = process.communicate(timeout=30)
  if process.returncode == -signal.SIGINT:  # Python's own, before the command's first line
    assert "start.py" not in errors
    assert after < 1
  else:
    assert process.returncode == 130
    assert "Traceback" not in errors


def test_while_a_command_imports():
  """There is no exception that an import could swallow."""
  wait = "import time; print('here', flush=True); time.sleep(60)"
  code = f"import sys; from experiments import start; sys.exit(start.main(lambda: exec({wait!r})))"
  process = started([sys.executable, "-c", code])
  assert process.stdout
  assert process.stdout.readline() == "here\n"
  process.send_signal(signal.SIGINT)
  _, errors = process.communicate(timeout=30)
  assert (process.returncode, errors) == (130, "stopped\n")


DOORS = [path for path in (ROOT / "experiments").glob("*.py") if "start.main" in path.read_text()]


@pytest.mark.parametrize("door", DOORS, ids=lambda path: path.stem)
def test_a_door_imports_nothing_that_takes_time_before(door):
  """So that Ctrl-C is the command's own from the first of its imports on."""
  assert len(DOORS) == 9
  name = "experiments" if door.stem == "__main__" else f"experiments.{door.stem}"
  code = f"import importlib.util, sys; before = set(sys.modules); import {name}; "
  code += "print(*{n.partition('.')[0] for n in set(sys.modules) - before})"
  ran = subprocess.run(
    [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
  )
  assert set(ran.stdout.split()) <= {"experiments", *sys.stdlib_module_names}
  assert door.read_text().endswith("  sys.exit(start.main(main))\n")


@pytest.mark.parametrize("closed", ["2>&-", ">&-", "2>&- >&- <&-"])
def test_a_closed_stream_is_no_crash(closed, tmp_path):
  """And what is written to it comes into no file of the run."""
  out = tmp_path / "run"
  words = command("modular", *TINY, "--steps", 30, "--out", out)
  shell = ["sh", "-c", f'exec "$@" {closed}', "sh", *words]
  _, errors = started(shell).communicate(timeout=120)
  assert (out / "summary.json").exists(), errors
  lines = (out / "metrics.jsonl").read_text().splitlines()
  assert lines
  assert all(line.startswith("{") for line in lines)
  refused = ["sh", "-c", f'exec "$@" {closed}', "sh", *command("modular", "--p", "x")]
  process = started(refused, env={**os.environ})
  process.communicate(timeout=120)
  assert process.returncode == 2
