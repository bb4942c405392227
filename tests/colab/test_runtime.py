"""What a notebook's first cell does on a machine that lacks something."""

import subprocess

import pytest

from colab import runtime


def test_nothing_is_missing_here():
  assert runtime.missing() == []


def test_what_is_not_there_or_too_old_is_missing(monkeypatch):
  versions = {"tqdm": None, "flax": "0.10.0", "filelock": "3.12"}
  monkeypatch.setattr(runtime, "_version", lambda name: versions.get(name, "1000"))
  assert runtime.missing() == ["flax>=0.11.2", "tqdm>=4.66"]


def test_what_the_accelerator_rests_on_stays(monkeypatch):
  """pip is told to keep the versions of jax and flax, and nothing of what is not there."""
  seen = {}

  def run(command, **_):
    seen["command"] = command
    with open(command[command.index("-c") + 1]) as file:
      seen["pins"] = file.read().split()
    return subprocess.CompletedProcess(command, 0, "", "")

  versions = {"jax": "0.7.2", "jaxlib": "0.7.2", "flax": "0.11.2"}
  monkeypatch.setattr(runtime, "_version", versions.get)
  monkeypatch.setattr(subprocess, "run", run)
  runtime.install(["tqdm>=4.66"])
  assert seen["command"][-1] == "tqdm>=4.66"
  assert seen["pins"] == ["jax==0.7.2", "jaxlib==0.7.2", "flax==0.11.2"]


def test_a_failure_is_told_in_pips_words(monkeypatch):
  """Its first error, and not what it says of itself afterwards."""
  said = "WARNING: one\nERROR: Cannot install a and b\nERROR: see the web\n\n[notice] update pip\n"
  failed = subprocess.CompletedProcess([], 1, "", said)
  monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
  with pytest.raises(
    RuntimeError, match=r"^could not install a, b: ERROR: Cannot install a and b$"
  ):
    runtime.install(["a", "b"])
