"""Sweeps as a user starts them: against the same members run alone, killed, refused."""

import json
import math

import pytest

from experiments import checkpoints, logs, modular, report, sweep
from experiments.journal import read_log
from tests.experiments.tools import by_member, killed_after

SMALL = [
  "modular",
  "--p",
  "7",
  "--batch-size",
  "8",
  "--method",
  "grokfast_ma",
  "--window-size",
  "5",
]
SWEEP = [*SMALL, "--seeds", "2", "--lamb", "1", "5", "--operation", "add", "mul", "--steps", "31"]


def main(*arguments):
  return sweep.main([*map(str, arguments)])


@pytest.fixture(scope="module")
def one_after_another(tmp_path_factory):
  out = tmp_path_factory.mktemp("sweep") / "out"
  assert main(*SWEEP, "--at-once", 1, "--out", out) == 0
  return out


def test_a_member_is_its_run_alone_bit_for_bit(one_after_another, tmp_path):
  members = json.loads((one_after_another / "settings.json").read_text())["members"]
  assert len(members) == 8
  logged = by_member(one_after_another)
  for index in (0, 5):
    own = members[index]
    out = tmp_path / str(index)
    arguments = [*SMALL[1:], "--steps", "31", "--out", str(out)]
    for name, value in own.items():
      arguments += [f"--{name}", str(value)]
    assert modular.EXPERIMENT.main(arguments) == 0
    alone = [{**record, "seconds": None} for record in read_log(out / "metrics.jsonl")]
    assert alone == logged[index]


def test_side_by_side_with_places_taken_anew(one_after_another, tmp_path):
  """Three places for eight members, each with a budget that ends within an evaluation."""
  out = tmp_path / "out"
  assert main(*SWEEP, "--at-once", 3, "--out", out) == 0
  assert set(by_member(out)) == set(range(8))
  assert_close(out, one_after_another)
  summary = json.loads((out / "summary.json").read_text())
  assert summary["members"] == 8
  assert summary["steps"] == 8 * 31
  assert summary["diverged"] == []


def test_the_report_reads_a_sweep(one_after_another):
  runs = logs.read_runs(one_after_another)
  assert len(runs) == 8
  lines = report.table(runs).splitlines()
  assert len(lines) == 2 + 4
  assert sum("| 2 |" in line for line in lines) == 4


def test_a_dry_run_shows_the_plan_and_writes_nothing(tmp_path, monkeypatch, capsys):
  monkeypatch.chdir(tmp_path)
  assert main(*SWEEP, "--window-size", "5", "--dry-run", "--at-once", 1) == 0
  text = capsys.readouterr().out
  assert text.startswith("8 members in 1 program:\n  8 of grokfast_ma, 31 steps, 1 at once, ")
  assert "member-steps/s" in text
  assert list(tmp_path.iterdir()) == []


def assert_close(folder, other):
  expected, found = by_member(other), by_member(folder)
  assert found.keys() == expected.keys()
  for index, records in found.items():
    assert [r["step"] for r in records] == [r["step"] for r in expected[index]]
    for record, one in zip(records, expected[index], strict=True):
      for name in ("train_loss", "val_loss"):
        assert math.isclose(record[name], one[name], rel_tol=1e-3), (index, record, one)


@pytest.mark.parametrize("at_once", [1, 3])
def test_a_killed_sweep_goes_on(at_once, one_after_another, tmp_path, monkeypatch, capsys):
  out = tmp_path / "out"
  with killed_after(4, monkeypatch):
    main(*SWEEP, "--at-once", at_once, "--out", out, "--checkpoint-every", 0)
  assert 0 < len(read_log(out / "metrics.jsonl")) < 8 * 11
  with checkpoints.Checkpoints(out) as saved:
    _, position = next(saved.positions())
  kept = (out / "metrics.jsonl").read_bytes()[: position["log"]]
  assert kept
  assert main("modular", "--resume", "--out", out) == 0
  assert (out / "metrics.jsonl").read_bytes().startswith(kept), "none of it was trained again"
  assert "left out" not in capsys.readouterr().err
  if at_once == 1:
    assert by_member(out) == by_member(one_after_another)
  assert_close(out, one_after_another)
  assert not (out / checkpoints.NAME).exists()
  assert main("modular", "--resume", "--out", out) == 0, "there is nothing more to do"


# What may be wrong.

BAD = {
  "experiment": (["mnits"], "name an experiment first: modular, mnist, qm9, imdb; got 'mnits'"),
  "nothing": ([], "name an experiment first"),
  "seeds": (["modular", "--seeds", "0"], "--seeds must be at least 1; got 0"),
  "twice": (["modular", "--lamb", "1", "1.0"], "--lamb has one of 1.0, 1.0 twice"),
  "range": (["modular", "--alpha", "0.9", "1.5"], "--alpha must be in [0, 1); got 1.5"),
  "foreign": (["modular", "--method", "baseline", "--lamb", "2"], "baseline has no --lamb"),
  "choice": (["modular", "--operation", "add", "pow"], "pow"),
  "too many": (["modular", "--seeds", "9999", "--lamb", "1", "2"], "at most 10,000 members"),
  "at once": (["modular", "--at-once", "0"], "--at-once must be at least 1; got 0"),
  "devices": (
    ["modular", "--data-devices", "3"],
    "--data-devices must divide the devices, 8; got 3",
  ),
  "resume": (["modular", "--resume"], "--resume needs the --out"),
  "data": (["mnist", "--data", "/nowhere"], "/nowhere"),
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


def test_another_sweep_in_the_folder_is_refused(one_after_another, capsys):
  before = {path.name: path.read_bytes() for path in one_after_another.iterdir()}
  assert main(*SWEEP, "--out", one_after_another) == 2
  assert "holds another run" in capsys.readouterr().err
  assert main(*SWEEP, "--lamb", "1", "2", "--out", one_after_another, "--resume") == 2
  assert "has --lamb 1.0 5.0, not 1.0 2.0" in capsys.readouterr().err
  assert before == {path.name: path.read_bytes() for path in one_after_another.iterdir()}
