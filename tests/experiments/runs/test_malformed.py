"""Two hundred malformed command lines: one line each, exit code 2, and nothing is written."""

import functools
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from experiments import commands
from experiments.training import devices
from tests.helpers import needs_devices

ROOT = Path(__file__).parents[3]
NO_NUMBER = ["x", "", "1,5", "0x1", "--", "1e", "ten", "+-1", "½"]
NOT_FINITE = ["nan", "inf", "-inf", "1e999"]
NO_INT = [*NO_NUMBER, "1.5", "1e3", "nan", "inf"]
NEGATIVE = ["-1", "-0.5"]

# What no experiment takes for a flag that all of them have.
BAD = {
  "--method": ["", "sgd", "Grokfast_ema", "ema", "baseline+", "+", "grokfast_ema+grokfast_ma"],
  "--optimizer": ["", "Adam", "rmsprop"],
  "--schedule": ["", "step", "Cosine"],
  "--lr-end": [*NO_NUMBER, *NOT_FINITE, *NEGATIVE],
  "--lr-embedding": [*NO_NUMBER, *NOT_FINITE, *NEGATIVE],
  "--momentum": [*NO_NUMBER, *NOT_FINITE, *NEGATIVE, "1", "0.9"],  # not of the default optimizer
  "--ns-steps": [*NO_INT, "0", "5"],
  "--learning-rate": [*NO_NUMBER, *NOT_FINITE, *NEGATIVE, "0"],
  "--weight-decay": [*NO_NUMBER, *NOT_FINITE, *NEGATIVE],
  "--b1": [*NO_NUMBER, *NOT_FINITE, *NEGATIVE, "1", "2"],
  "--b2": [*NO_NUMBER, *NOT_FINITE, *NEGATIVE, "1", "2"],
  "--lr-warmup": [*NO_NUMBER, *NOT_FINITE, *NEGATIVE],
  "--alpha": [*NO_NUMBER, *NOT_FINITE, *NEGATIVE, "1", "1.5"],
  "--lamb": [*NO_NUMBER, *NOT_FINITE, *NEGATIVE],
  "--window-size": [*NO_INT, "0", "-1", "5"],  # 5 is not for the default method
  "--start-step": [*NO_NUMBER, *NOT_FINITE, "500"],
  "--coefficient": [*NO_NUMBER, *NOT_FINITE, "0.1"],
  "--threshold": [*NO_NUMBER, *NOT_FINITE, "0.9", "2", "-0.1"],
  "--steps": [*NO_INT, "0", "-1", "2147483648"],
  "--stop-when-held": [*NO_INT, "-1"],
  "--eval-every": [*NO_INT, "0", "-1", "2147483648", "100000"],
  "--checkpoint-every": [*NO_NUMBER, *NOT_FINITE, *NEGATIVE],
  "--batch-size": [*NO_INT, "0", "-1", "99999999"],
  "--out": ["", "~nobody-at-all/run", "/dev/null", "/dev/null/run", "/proc/run", "x" * 300, "\0"],
  "--resume": ["maybe"],
  "--zebra": ["1", ""],
  "-z": ["1"],
}
OF_ONE = {
  "modular": {
    "--p": [*NO_INT, "0", "1", "-7", "1001"],
    "--operation": ["", "pow", "ADD", "+"],
    "--width": [*NO_INT, "0", "-1", "130"],
    "--heads": [*NO_INT, "0", "3"],
    "--layers": [*NO_INT, "0"],
    "--window-size": ["2147483647", "1000000000000000000000"],
    "--train-fraction": [*NO_NUMBER, *NOT_FINITE, *NEGATIVE, "0", "1", "1e-9", "2"],
    "--init-scale": [*NO_NUMBER, *NOT_FINITE, *NEGATIVE, "0"],
    "--seed": [*NO_INT, "-1", "4294967296"],
  },
  "mnist": {"--init-scale": [*NO_NUMBER, *NOT_FINITE, *NEGATIVE, "0"], "--data": ["/nowhere"]},
  "qm9": {"--init-scale": [*NO_NUMBER, *NOT_FINITE, *NEGATIVE, "0"], "--seed": ["-1"]},
  "imdb": {"--clip-norm": [*NO_NUMBER, *NOT_FINITE, *NEGATIVE, "0"], "--seed": ["x"]},
  "s5": {"--operation": ["", "yx", "xyx1"], "--heads": [*NO_INT, "0", "3"], "--p": ["97"]},
  "parity": {
    "--k": [*NO_INT, "0", "21", "61"],
    "--n": [*NO_INT, "9", "61"],
    "--samples": [*NO_INT, "-1", "31", "1048000"],
    "--momentum": [*NO_NUMBER, *NOT_FINITE, *NEGATIVE, "1"],  # its default optimizer has it
  },
  "teacher": {
    "--inputs": [*NO_INT, "0"],
    "--teacher-width": [*NO_INT, "0"],
    "--samples": [*NO_INT, "-1", "31"],
    "--init-scale": [*NO_NUMBER, *NOT_FINITE, *NEGATIVE, "0"],
  },
  "sweep": {
    "--seeds": [*NO_INT, "0", "-1", "99999"],
    "--at-once": [*NO_INT, "0", "-1"],
    "--data-devices": [*NO_INT, "0", "3", "64"],
    "--p": [*NO_INT, "0", "1001"],
  },
}
GOOD = [
  [],
  ["--b1", "0.8"],
  ["--weight-decay", "0.1", "--lr-warmup", "3"],
  ["--method", "grokfast_ema", "--lamb", "1"],
]
# With a bad value of their own, of a method that takes the flag.
OF_METHODS = [
  ["--method", "delayed_compression", "--threshold", "2"],
  ["--method", "grokfast_ma", "--window-size", "100000000"],
  ["--method", "grokfast_ma", "--window-size", "1000000000000000000000"],
  ["--width", "65536", "--heads", "4"],
  ["--out="],
  ["--out=~nobody-at-all/run"],
]


@st.composite
def malformed(draw):
  """A program's name and arguments: good ones, and a bad one before or behind them."""
  name = draw(st.sampled_from(sorted(OF_ONE)))
  flags = BAD | OF_ONE[name]
  flag = draw(st.sampled_from(sorted(flags)))
  bad = [flag, draw(st.sampled_from(flags[flag]))]
  good = draw(st.sampled_from(GOOD))
  if flag in good:
    good = []
  # Were one of them taken after all, it would be short.
  return name, [*good, *bad] if draw(st.booleans()) else [*bad, *good], ["--steps", "1"]


def arguments_of(line):
  name, arguments, short = line
  start = ["modular"] if name == "sweep" else []
  return [*start, *arguments, *([] if "--steps" in arguments else short)]


def main_of(name):
  if name == "sweep":
    return commands.sweep_main
  return functools.partial(commands.run_main, name)


def assert_refused(code, out, errors, folder):
  assert code == 2, (out, errors)
  assert out == ""
  assert errors.startswith("error: ")
  assert errors.count("\n") == 1
  assert list(folder.iterdir()) == []


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(malformed())
def test_two_hundred_command_lines(tmp_path, monkeypatch, capsys, line):
  monkeypatch.chdir(tmp_path)
  monkeypatch.setenv("GROKFAX_DATA", str(tmp_path / "none"))
  code = main_of(line[0])(arguments_of(line))
  assert_refused(code, *capsys.readouterr(), tmp_path)


@pytest.mark.parametrize("arguments", OF_METHODS)
def test_of_methods_and_memory(arguments, tmp_path, monkeypatch, capsys):
  monkeypatch.chdir(tmp_path)
  code = commands.run_main("modular", [*arguments, "--steps", "1"])
  text, errors = capsys.readouterr()
  assert_refused(code, text, errors, tmp_path)
  assert not any(word in arguments for word in ("100000000", "65536")) or "GB of memory" in errors


@needs_devices(8)
def test_a_member_that_one_device_cannot_hold(tmp_path, monkeypatch, capsys):
  """However many devices there are: a member is on one of them."""
  monkeypatch.chdir(tmp_path)
  monkeypatch.setattr(devices, "memory_bytes", lambda: 10**9)
  arguments = ["--method", "grokfast_ma", "--window-size", "600", "--steps", "1"]
  code = commands.run_main("modular", arguments)
  text, errors = capsys.readouterr()
  assert_refused(code, text, errors, tmp_path)
  assert "a member keeps 1.0 GB, and there are 1.0 GB" in errors


@pytest.mark.parametrize(
  ("name", "arguments"), [("modular", ["--p", "x"]), ("sweep", ["modular", "--seeds", "0"])]
)
def test_as_a_process(name, arguments, tmp_path):
  """All commands end the same way: of each kind one."""
  done = subprocess.run(
    [sys.executable, "-m", f"experiments.{name}", *arguments],
    cwd=tmp_path,
    env={**os.environ, "PYTHONPATH": str(ROOT)},
    capture_output=True,
    text=True,
    check=False,
  )
  assert_refused(done.returncode, done.stdout, done.stderr, tmp_path)
