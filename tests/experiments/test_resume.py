"""Runs that are killed, stopped or damaged, and gone on with."""

import json

import filelock
import jax.numpy as jnp
import pytest

from experiments import checkpoints, files, modular, runs
from tests.experiments.resumable import OFTEN, RUN, assert_same_run, main, newest_first
from tests.experiments.tools import Killed


def resumed_from(folder, number):
  """Goes on, and holds that it was from the checkpoint: what was logged before it stays, times too.

  Without a number, from the beginning.
  """
  log = folder / "metrics.jsonl"
  with checkpoints.Checkpoints(folder) as saved:
    kept = log.read_bytes()[: dict(saved.positions())[number]["log"] if number else 0]
  before = log.read_bytes()
  assert bool(kept) == bool(number)
  assert main("--out", folder, "--resume") == 0
  assert log.read_bytes().startswith(kept)
  if not number:
    assert not log.read_bytes().startswith(before), "its times are others"


def test_a_run_goes_on_where_it_was(broken, unbroken, capsys):
  resumed_from(broken, int(newest_first(broken)[0].name))
  assert_same_run(broken, unbroken)
  assert not (broken / checkpoints.NAME).exists()
  environment = json.loads((broken / "environment.json").read_text())
  assert len(environment["resumed"]) == 1

  capsys.readouterr()
  before = {path.name: path.read_bytes() for path in broken.iterdir()}
  assert main("--out", broken, "--resume") == 0, "there is nothing more to do"
  assert "best validation accuracy" in capsys.readouterr().out
  assert before == {path.name: path.read_bytes() for path in broken.iterdir()}


def test_killed_after_the_last_step(unbroken, tmp_path, monkeypatch):
  """When all was trained and nothing of the end was written."""
  out = tmp_path / "run"

  def killed(*_):
    raise Killed

  with monkeypatch.context() as patch:
    patch.setattr(runs, "finish", killed)
    with pytest.raises(Killed):
      main("--out", out, *OFTEN)
  assert main("--out", out, "--resume") == 0
  assert_same_run(out, unbroken)


def test_damaged_files_are_one_line(broken, capsys):
  environment = (broken / "environment.json").read_text()
  (broken / "environment.json").write_text(environment[:30])
  assert "environment.json is damaged" in refused(capsys, *RUN, "--out", broken, "--resume")
  (broken / "environment.json").write_text(environment)
  (broken / "summary.json").write_text("{")
  assert "summary.json is damaged" in refused(capsys, *RUN, "--out", broken, "--resume")


def test_what_is_left_out_is_as_it_was(broken, unbroken):
  assert modular.EXPERIMENT.main(["--out", str(broken), "--resume"]) == 0
  assert_same_run(broken, unbroken)


def test_the_log_s_torn_line_is_written_anew(broken, unbroken):
  log = broken / "metrics.jsonl"
  log.write_bytes(log.read_bytes()[:-20])
  resumed_from(broken, int(newest_first(broken)[0].name))
  assert_same_run(broken, unbroken)


def tear(checkpoint):
  for file in checkpoint.rglob("*"):
    if file.is_file():
      file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def take_arrays(checkpoint):
  for file in (checkpoint / "arrays").rglob("*"):
    if file.is_file() and file.stat().st_size > 10_000:
      file.unlink()


def take_position(checkpoint):
  (checkpoint / "position" / "metadata").write_text('{"program": ')


@pytest.mark.parametrize("damage", [tear, take_arrays, take_position])
@pytest.mark.parametrize("how_many", [1, 2])
def test_a_torn_checkpoint_is_none(damage, how_many, broken, unbroken):
  """Then it is the one before, and without one the beginning."""
  newest, older = newest_first(broken)
  for checkpoint in (newest, older)[:how_many]:
    damage(checkpoint)
  resumed_from(broken, int(older.name) if how_many == 1 else None)
  assert_same_run(broken, unbroken)


def test_a_checkpoint_of_another_program_is_none(broken, unbroken):
  with checkpoints.Checkpoints(broken) as foreign:
    _, position = next(foreign.positions())
    foreign.save({"w": jnp.ones(3)}, position)
    foreign.wait()
  _, own = newest_first(broken)
  resumed_from(broken, int(own.name))
  assert_same_run(broken, unbroken)


def test_a_log_shorter_than_the_checkpoints_is_begun_anew(broken, unbroken):
  (broken / "metrics.jsonl").write_text("")
  assert main("--out", broken, "--resume") == 0
  assert_same_run(broken, unbroken)


def refused(capsys, *arguments):
  capsys.readouterr()
  assert modular.EXPERIMENT.main([*map(str, arguments)]) == 2
  captured = capsys.readouterr()
  assert captured.out == ""
  assert captured.err.count("\n") == 1
  return captured.err


def test_other_settings_are_refused_by_name(broken, capsys):
  before = (broken / "metrics.jsonl").read_bytes()
  changed = ["--lamb", "1.5", "--operation", "add"]
  error = refused(capsys, *RUN, *changed, "--out", broken, "--resume")
  assert f"what is in {broken} has --lamb 5.0, not 1.5, --operation mul, not add" in error
  assert (broken / "metrics.jsonl").read_bytes() == before


def test_what_cannot_be_gone_on_with_is_one_line(broken, tmp_path, capsys):
  assert "--resume needs the --out" in refused(capsys, *RUN, "--resume")
  assert "or go on with that one by --resume" in refused(capsys, *RUN, "--out", broken)

  foreign = tmp_path / "foreign"
  foreign.mkdir()
  (foreign / "settings.json").write_text('{"experiment": "mnist"}')
  assert "they are of mnist" in refused(capsys, *RUN, "--out", foreign, "--resume")
  (foreign / "settings.json").write_text("{")
  assert "is not the settings of a run" in refused(capsys, *RUN, "--out", foreign, "--resume")
  (foreign / "settings.json").rename(foreign / "metrics.jsonl")
  assert "without its settings.json" in refused(capsys, *RUN, "--out", foreign, "--resume")
  assert [path.name for path in foreign.iterdir() if path.name != files.LOCK] == ["metrics.jsonl"]


def test_a_second_process_is_refused(broken, capsys):
  with filelock.FileLock(broken / files.LOCK):
    error = refused(capsys, *RUN, "--out", broken, "--resume")
  assert "in use by another process" in error


def test_resume_begins_where_there_is_no_run(unbroken, tmp_path):
  assert main("--out", tmp_path / "run", "--resume") == 0
  assert_same_run(tmp_path / "run", unbroken)
