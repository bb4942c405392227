"""Sweeps as a user starts them: against the same members run alone, killed, refused."""

import json
import math

import jax
import pytest

from experiments import commands
from experiments.reports.read import read_runs
from experiments.reports.results import table
from experiments.runs import checkpoints, loop, plan, settings
from experiments.runs.log import read_log
from experiments.runs.plan import Place
from experiments.training import devices
from tests.experiments.runs.resume_helpers import TINY, content
from tests.experiments.tools import by_member, killed_after

SMALL = ["modular", *TINY, "--method", "grokfast_ma", "--window-size", "5"]
SWEEP = [*SMALL, "--seeds", "2", "--lamb", "1", "5", "--operation", "add", "mul", "--steps", "30"]
# Two programs, whose epochs and budgets differ; and two methods: each kind of second program.
TWO = {
  "batch sizes": [*SMALL, "--batch-size", "8", "4", "--seeds", "2", "--steps", "31"],
  "methods": ["modular", *TINY, "--method", "baseline", "grokfast_ema", "--steps", "30"],
  "windows": [*SMALL, "--window-size", "3", "5", "--seeds", "2", "--steps", "30"],
  "fractions": [*SMALL, "--train-fraction", "0.3", "0.5", "--seeds", "2", "--steps", "30"],
  "optimizers": ["modular", *TINY, "--optimizer", "adamw", "sgd", "--seeds", "2", "--steps", "30"],
}


def main(*arguments):
  return commands.sweep_main([*map(str, arguments)])


@pytest.fixture(scope="module")
def one_after_another(tmp_path_factory):
  out = tmp_path_factory.mktemp("sweep") / "out"
  assert main(*SWEEP, "--out", out) == 0
  return out


def alone(own, folder, arguments=SMALL, steps=30):
  """The log of a member of a sweep that is run alone."""
  flags = [f"--{name}={value}" for name, value in own.items()]
  command = [*arguments[1:], "--steps", str(steps), "--out", str(folder), *flags]
  assert commands.run_main("modular", command) == 0
  return [{**record, "seconds": None} for record in read_log(folder / "metrics.jsonl")]


def test_a_member_is_its_run_alone_bit_for_bit(one_after_another, tmp_path):
  members = json.loads((one_after_another / "settings.json").read_text())["members"]
  assert len(members) == 8
  logged = by_member(one_after_another)
  for index in (0, 5):
    assert alone(members[index], tmp_path / str(index)) == logged[index]


def test_side_by_side_in_waves(one_after_another, tmp_path):
  """Three places for eight members."""
  out = tmp_path / "out"
  assert main(*SWEEP, "--at-once", 3, "--out", out) == 0
  assert set(by_member(out)) == set(range(8))
  assert_close(out, one_after_another)
  summary = json.loads((out / "summary.json").read_text())
  assert summary["members"] == 8
  assert summary["steps"] == 8 * 30
  assert summary["diverged"] == []


@pytest.mark.parametrize(
  ("what", "at_once"),
  [
    *((what, 1) for what in TWO),
    pytest.param("batch sizes", 2, marks=pytest.mark.gate),
    *(pytest.param(what, 2, marks=pytest.mark.slow) for what in TWO if what != "batch sizes"),
  ],
)
def test_two_programs(what, at_once, tmp_path):
  """Each member is its run alone, whichever program it is in."""
  out = tmp_path / "out"
  assert main(*TWO[what], "--seeds", 2, "--at-once", at_once, "--out", out) == 0
  saved, logged = json.loads((out / "settings.json").read_text()), by_member(out)
  assert set(logged) == set(range(4))
  base = ["modular", *TINY] if what in ("methods", "optimizers") else SMALL
  expected = alone(saved["members"][3], tmp_path / "alone", base, saved["steps"])
  assert [r["step"] for r in logged[3]] == [r["step"] for r in expected]
  for record, other in zip(logged[3], expected, strict=True):
    if at_once == 1:
      assert {**record, "member": None} == {**other, "member": None}
    else:
      assert math.isclose(record["val_loss"], other["val_loss"], rel_tol=1e-3)


@pytest.mark.usefixtures("compiled_once")
@pytest.mark.parametrize(
  ("at_once", "moments"),
  [(1, (3, 14, 24)), pytest.param(2, (3, 14), marks=pytest.mark.gate)],
  ids=["1", "2"],
)
def test_two_programs_killed_and_resumed(at_once, moments, tmp_path, monkeypatch):
  """In the first program, and in the second."""
  whole = tmp_path / "whole"
  sweep = [*TWO["windows"], "--at-once", at_once]
  assert main(*sweep, "--out", whole) == 0
  for chunks in moments:
    out = tmp_path / str(chunks)
    with killed_after(chunks, monkeypatch) as patch:
      patch.setattr(loop, "CHUNK_SECONDS", 0.0)
      main(*sweep, "--out", out, "--checkpoint-every", 0)
    (_, position, _), *_ = checkpoints.saved(out)
    assert position["program"] == (chunks > 10 * (3 - at_once))
    kept = (out / "metrics.jsonl").read_bytes()[: position["log"]]
    assert main("modular", "--resume", "--out", out) == 0
    assert (out / "metrics.jsonl").read_bytes().startswith(kept), "none of it was trained again"
    if at_once == 1:
      assert by_member(out) == by_member(whole)
    assert_close(out, whole)


def test_the_report_reads_a_sweep(one_after_another):
  runs = read_runs(one_after_another)
  assert len(runs) == 8
  lines = table(runs).splitlines()
  assert len(lines) == 2 + 4
  assert sum("| 2 |" in line for line in lines) == 4


def test_a_dry_run_shows_the_plan_and_writes_nothing(tmp_path, monkeypatch, capsys):
  monkeypatch.chdir(tmp_path)
  assert main(*SWEEP, "--dry-run", "--at-once", 2) == 0
  text = capsys.readouterr().out
  assert "8 members in 1 program" in text
  assert "2 at once" in text
  assert list(tmp_path.iterdir()) == []


def test_on_a_cpu_members_train_one_after_another():
  members = [settings.make("modular", seed=seed, **_TINY) for seed in range(4)]
  for at_once, width in ((None, 1), (3, 3), (9, 4)):
    (program,) = plan.plan_of(members, Place(at_once=at_once)).programs
    assert program.width == width


_TINY = {"p": 7, "batch_size": 8, "width": 16, "heads": 2, "layers": 1}


@pytest.mark.parametrize(
  "share",
  [
    pytest.param(1.0, marks=pytest.mark.slow),
    pytest.param(0.6, marks=pytest.mark.gate),
    0.0,
  ],
)
def test_on_an_accelerator_as_many_as_memory_allows(share, monkeypatch):
  """As their states tell, then as the compiled program does; on all eight devices."""
  members = [settings.make("modular", seed=seed, **_TINY) for seed in range(24)]
  (program,) = plan.plan_of(members, Place(at_once=24)).programs
  needed = devices.program_bytes(program.open(None).program)
  monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
  monkeypatch.setattr(devices, "free_bytes", lambda: int(share * needed))
  planned = plan.plan_of(members, Place())
  population = planned.programs[0].open(None)
  if share == 1.0:
    assert population.width == planned.programs[0].width == 24
  elif share:
    assert 1 < population.width < 24
    assert devices.program_bytes(population.program) <= share * needed
  else:
    assert population.width == planned.programs[0].width == 1
  assert population.mesh is None or population.width % population.mesh.shape[devices.RUNS] == 0


def assert_close(folder, other):
  expected, found = by_member(other), by_member(folder)
  assert found.keys() == expected.keys()
  for index, records in found.items():
    assert [r["step"] for r in records] == [r["step"] for r in expected[index]]
    for record, one in zip(records, expected[index], strict=True):
      for name in ("train_loss", "val_loss"):
        assert math.isclose(record[name], one[name], rel_tol=1e-3), (index, record, one)


def test_a_finished_sweep_shows_its_table_again(one_after_another, capsys):
  before = content(one_after_another)
  assert main("modular", "--resume", "--out", one_after_another) == 0
  assert "grokfast_ma add" in capsys.readouterr().out
  assert content(one_after_another) == before


# What may be wrong.

BAD = {
  "task": (["mnits"], "mnits"),
  "nothing": ([], "modular, mnist, qm9, imdb"),
  "seeds": (["modular", "--seeds", "0"], "--seeds"),
  "twice": (["modular", "--lamb", "1", "1.0"], "--lamb"),
  "range": (["modular", "--alpha", "0.9", "1.5"], "--alpha"),
  "foreign": (["modular", "--method", "baseline", "--lamb", "2"], "--lamb"),
  "choice": (["modular", "--operation", "add", "pow"], "--operation"),
  "too many": (["modular", "--seeds", "9999", "--lamb", "1", "2"], "10,000"),
  "at once": (["modular", "--at-once", "0"], "--at-once"),
  "devices": (["modular", "--data-devices", "3"], "--data-devices"),
  "resume": (["modular", "--resume"], "--resume"),
  "data": (["mnist", "--data", "/nowhere"], "/nowhere"),
  "steps twice": (["modular", "--steps", "3", "4"], "4"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_one_line_and_exit_code_2(arguments, message, tmp_path, monkeypatch, capsys):
  monkeypatch.chdir(tmp_path)
  assert main(*arguments) == 2
  captured = capsys.readouterr()
  assert captured.out == ""
  assert captured.err.startswith("error: ")
  assert message in captured.err
  assert captured.err.count("\n") == 1
  assert list(tmp_path.iterdir()) == []


def test_another_sweep_in_the_folder_is_refused(one_after_another, tmp_path, capsys):
  before = content(one_after_another)
  assert main(*SWEEP, "--out", one_after_another) == 2
  assert main(*SWEEP, "--lamb", "1", "2", "--out", one_after_another, "--resume") == 2
  assert "--lamb 1.0 5.0, not 1.0 2.0" in capsys.readouterr().err
  one = [*TINY, "--out", str(one_after_another), "--resume"]
  assert commands.run_main("modular", one) == 2
  assert before == content(one_after_another)
