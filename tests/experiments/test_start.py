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
  # Before Python has reached the command's first line, the signal is its own.
  assert process.returncode in (130, -signal.SIGINT), errors
  if "experiments" in errors:
    assert "Traceback" not in errors


@pytest.mark.parametrize("name", ["report", "data", "pages", "sweep"])
def test_of_every_command(name):
  """While it imports: none of them has an exception to swallow."""
  wait = "import time; print('here', flush=True); time.sleep(60)"
  code = f"import sys; from experiments import start; sys.exit(start.main(lambda: exec({wait!r})))"
  process = started([sys.executable, "-c", code])
  assert process.stdout
  assert process.stdout.readline() == "here\n"
  process.send_signal(signal.SIGINT)
  _, errors = process.communicate(timeout=30)
  assert (process.returncode, errors) == (130, "stopped\n")
  text = (ROOT / "experiments" / f"{name}.py").read_text()
  assert text.endswith("  sys.exit(start.main(main))\n")


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
