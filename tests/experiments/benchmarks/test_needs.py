"""What the benchmarks need beside what an accelerator's machine has: jax, flax, optax, numpy."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from experiments.benchmarks import __main__ as benchmarks

ROOT = Path(__file__).parents[3]
BROUGHT = {"flax", "scipy", "packaging"}  # there already, or by jax, or by matplotlib


def extras():
  """Modules of all that the project can be installed with, but for what comes anyway."""
  project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
  groups = project["optional-dependencies"].values()
  names = {re.split("[^a-z-]", line)[0] for lines in groups for line in lines}
  return {name.replace("-", "_") for name in names - BROUGHT} | {"orbax"}


@pytest.mark.parametrize("name", ["__main__", *benchmarks.BENCHMARKS])
def test_a_benchmark_needs_no_more_than_it_says(name):
  """It is imported, and what its own processes import, where all else is missing."""
  needs = benchmarks.NEEDS.get(name, ())
  lacking = sorted(extras() - set(needs))
  assert {"tqdm", "filelock", "matplotlib", "markdown"} <= {*lacking, *needs}
  code = f"""
import sys
sys.modules.update(dict.fromkeys({lacking}))
import experiments.benchmarks.{name}
if {name!r} in ("start_up", "time_to_95"):
  import experiments.modular
  from matplotlib.figure import Figure
"""
  ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
  assert ran.returncode == 0, ran.stderr


def test_what_is_missing_is_named_and_the_others_run(monkeypatch, capsys, tmp_path):
  started = []

  def run(command, env):
    started.append(command[2])
    assert env["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"
    return subprocess.CompletedProcess(command, 0)

  find = benchmarks.importlib.util.find_spec
  monkeypatch.setattr(
    benchmarks.importlib.util, "find_spec", lambda name: None if name == "tqdm" else find(name)
  )
  monkeypatch.setattr(subprocess, "run", run)
  monkeypatch.setattr(sys, "argv", ["benchmarks", "--quick", "--out", str(tmp_path)])
  assert benchmarks.main() == 0
  assert [module.rpartition(".")[2] for module in started] == [
    "memory", "filter_step", "population", "growth", "loops"
  ]  # fmt: skip
  assert capsys.readouterr().out.count("tqdm") == 2
