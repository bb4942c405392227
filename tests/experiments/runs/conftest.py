"""Runs, whole and broken off."""

import pytest
from matplotlib.figure import Figure

from experiments.reports import figures
from experiments.runs import checkpoints, launch, loop, sweep
from experiments.runs.log import read_log
from tests.experiments.runs.resume_helpers import OFTEN, main, newest_first
from tests.experiments.tools import killed_after


@pytest.fixture(scope="package", autouse=True)
def blank_pictures():
  """A small blank one for each that would be drawn, to be quick: other tests' runs draw theirs."""
  of_run = figures.of_run
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(figures, "of_run", lambda *args: of_run(*args) and Figure(figsize=(1, 1)))
    yield


@pytest.fixture(scope="module")
def compiled_once():
  """Runs that differ in numbers and seed alone share a program: to make it is most of their time.

  So nothing is tested here of how it is made; a process that resumes, in test_kills.py, makes its
  own.
  """
  plan_of, opened = launch.plan_of, {}

  def shared(program, member):
    of_data = tuple(member.of_kind("data").items())
    key = (member.task, sweep.program_of(member), of_data, program.width)

    def open_(width):
      if (key, width) not in opened:
        opened[key, width] = program.open(width)
      return opened[key, width]

    return program._replace(open=open_)

  def planned(members, place):
    plan = plan_of(members, place)
    return plan._replace(programs=[shared(p, members[p.members[0]]) for p in plan.programs])

  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(launch, "plan_of", planned)
    yield


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
