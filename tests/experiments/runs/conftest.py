"""Runs, whole and broken off."""

import pytest

from experiments.runs import checkpoints, loop
from experiments.runs.log import read_log
from tests.experiments.runs.resume_helpers import OFTEN, main, newest_first
from tests.experiments.tools import killed_after


@pytest.fixture(scope="session")
def unbroken(tmp_path_factory):
  out = tmp_path_factory.mktemp("unbroken") / "run"
  assert main("--out", out) == 0
  assert not (out / checkpoints.FOLDER).exists()
  return out


@pytest.fixture
def broken(tmp_path, monkeypatch):
  """A run that was killed in the middle, right after its fourth chunk was logged."""
  out = tmp_path / "run"
  with killed_after(3, monkeypatch) as patch:
    patch.setattr(loop, "CHUNK_SECONDS", 0.0)  # an evaluation a chunk
    main("--out", out, *OFTEN)
  assert 0 < len(read_log(out / "metrics.jsonl")) < 100
  assert len(newest_first(out)) == 2
  return out
