"""The terminal: progress in text, and where compiled programs are kept."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from experiments import __main__ as any_task
from experiments import terminal
from experiments.runs.outcomes import RunningMember
from experiments.tasks import TASKS

ROOT = Path(__file__).parents[2]


def test_progress_elsewhere_than_on_a_terminal(capsys, monkeypatch):
  """A line now and then, of one run and of many."""
  monkeypatch.setattr(terminal.Progress, "SECONDS_BETWEEN_LINES", 0.0)
  record = {"train_loss": 0.5, "val_loss": None, "train_accuracy": 0.991, "val_accuracy": 0.5}
  with terminal.Progress() as progress:
    progress.open(100)
    member = RunningMember({}, 100)
    progress.begin([member])
    for step in (50, 100):
      member.update({"step": step, **record})
      progress.update([member])
  first = capsys.readouterr().err.splitlines()[0]
  assert first.startswith("step 50 of 100: train loss 0.5, val loss nan, train accuracy 99.1%, ")
  assert ", val accuracy 50.0%; " in first
  assert first.endswith(" s left")
  with terminal.Progress() as progress:
    progress.open(300, done=100)
    members = [RunningMember({"member": i}, 100) for i in (1, 2)]
    progress.begin(members)
    members[0].update({"step": 50, **record})
    members[1].update({"step": 50, **record, "train_loss": None})
    progress.update(members)
  (line,) = capsys.readouterr().err.splitlines()
  assert line.startswith("step 200 of 250: 1 running, 1 diverged; ")


def test_the_compilation_cache_is_the_user_s_own(tmp_path, monkeypatch):
  """In the user's cache folder, unless the environment says where, or a flag turns it off."""
  code = "import jax; from experiments import commands; commands.run = lambda given: print("
  code += "jax.config.jax_compilation_cache_dir); commands.run_main('modular', {})"
  home = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
  home.pop("JAX_COMPILATION_CACHE_DIR", None)

  def cache(env, *arguments):
    command = [sys.executable, "-c", code.format(list(arguments))]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    return done.stdout.strip()

  assert cache(home) == str(tmp_path / "grokfax" / "compiled")
  assert cache({**home, "JAX_COMPILATION_CACHE_DIR": "/elsewhere"}) == "/elsewhere"
  assert cache(home, "--no-compilation-cache") == "None"


@pytest.mark.parametrize("word", ["-h", "--help"])
def test_help_without_a_task_names_them_all(word, monkeypatch, capsys):
  monkeypatch.setattr("sys.argv", ["experiments", word])
  assert any_task.main() == 0
  told = capsys.readouterr().out
  assert [name for name in TASKS if name not in told] == []
