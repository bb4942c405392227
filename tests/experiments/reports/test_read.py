"""What is read of folders: runs, sweeps, files of other versions, and what is damaged."""

import pytest

from experiments import report
from experiments.fields import UsageError
from experiments.reports import read
from experiments.runs import settings
from tests.experiments.reports.fake_runs import (
  GRID,
  cells,
  change_settings,
  log_of,
  write_run,
  write_sweep,
)


def read_one(folder):
  (run,) = read.read_runs(folder)
  return run


def assert_refused(arguments, name, capsys):
  """One line that names the file, and nothing printed."""
  assert report.main([str(word) for word in arguments]) == 2
  captured = capsys.readouterr()
  assert captured.out == ""
  (line,) = captured.err.splitlines()
  assert line.startswith("error: ")
  assert name in line


def test_a_torn_last_line_is_left_out(tmp_path):
  folder = write_run(tmp_path, 0, [0.5, 0.96])
  with (folder / "metrics.jsonl").open("a") as log:
    log.write('{"step": 30, "train_acc')
  assert [record["step"] for record in read_one(tmp_path).records] == [10, 20]


def test_a_budget_cuts_the_logs(tmp_path):
  write_run(tmp_path, 0, [0.1] * 9)
  run = read_one(tmp_path)
  assert len(read.up_to(run, 50).records) == 5
  assert read.up_to(run, 50).steps == 50
  assert read.up_to(run, None) is run


def test_runs_of_other_settings_are_not_pooled(tmp_path, capsys):
  write_run(tmp_path, 0, [0.1])
  write_run(tmp_path, 0, [0.1], batch_size=64)
  write_run(tmp_path, 0, [0.1], include_zero=True)
  write_run(tmp_path, 0, [0.1], eval_every=2)
  found = {run.setting.removeprefix("baseline mul") for run in read.read_runs(tmp_path)}
  assert found == {"", ", batch_size 64", ", include_zero True", ", eval_every 2"}
  write_run(tmp_path, 0, [0.2])
  assert_refused([tmp_path], "seed 0 of baseline mul", capsys)


def test_an_unknown_setting_is_kept_and_told_and_sets_a_run_apart(tmp_path):
  """As a version may have written it that had a setting which is none today."""
  write_run(tmp_path, 0, [0.1])
  change_settings(write_run(tmp_path, 0, [0.2]), colour="red")
  change_settings(write_run(tmp_path, 0, [0.3]), colour=4)
  runs = {run.setting: run for run in read.read_runs(tmp_path)}
  assert set(runs) == {
    "baseline mul",
    "baseline mul, colour red",
    "baseline mul, colour 4",
  }
  red = runs["baseline mul, colour red"]
  assert red.values["colour"] == "red"
  assert red.records[0]["val_accuracy"] == 0.2
  assert len({run.key for run in runs.values()}) == 3
  assert runs["baseline mul"].published
  assert not red.published  # the source did not have it
  assert report.main([str(tmp_path), "--reference", "None"]) == 0
  table = cells((tmp_path / "table.md").read_text())
  assert [row[0] for row in table.values()][2:] == ["1"] * 4  # of one seed each, nothing pooled


def test_a_missing_setting_is_todays_default(tmp_path):
  """As a version may have written it that did not have it yet; null was "not of this method"."""
  change_settings(write_run(tmp_path, 0, [0.1], width=64), operands=None, layers=None)
  write_run(tmp_path, 1, [0.1], width=64)
  first, second = read.read_runs(tmp_path)
  assert first.values | {"seed": 1} == second.values
  assert first.values["operands"] == settings.make("modular")["operands"] == "float32"
  assert first.setting == second.setting == "baseline mul, width 64"
  (tmp_path / "run-0" / "settings.json").write_text('{"method": "baseline", "alpha": null}')
  assert read.read_runs(tmp_path)[0].setting == "baseline mul"


@pytest.mark.parametrize(
  "text", ["{", "{}x", '{"method": "sgd"}', '{"learning_rate": "high"}', "[]", "null"]
)
def test_foreign_settings(text, tmp_path, capsys):
  (write_run(tmp_path, 0, [0.1]) / "settings.json").write_text(text)
  assert_refused([tmp_path], "settings.json", capsys)


def test_a_folder_without_runs(tmp_path, capsys):
  assert_refused([tmp_path], str(tmp_path), capsys)
  with pytest.raises(UsageError):
    read.read_runs(tmp_path / "missing")


def test_a_folder_without_a_log_is_named(tmp_path, capsys):
  run = write_run(tmp_path, 0, [0.1])
  (run / "metrics.jsonl").unlink()
  assert_refused([tmp_path], f"without a metrics.jsonl: {run}.", capsys)


def test_two_runs_of_one_seed_are_named(tmp_path, capsys):
  one = write_run(tmp_path, 0, [0.1])
  other = one.rename(tmp_path / "other")
  again = write_run(tmp_path, 0, [0.2])
  assert_refused([tmp_path], str(other), capsys)
  assert_refused([tmp_path], str(again), capsys)


def test_runs_of_two_tasks(tmp_path, capsys, line):
  write_run(tmp_path, 0, [0.1])
  write_run(tmp_path, 1, [0.1], task="mnist")
  assert_refused([tmp_path], str(tmp_path), capsys)


def test_a_log_that_ends_before_its_run_did_is_named(tmp_path, capsys):
  """A last line may be torn where a run was killed; not where it came to its end."""
  run = write_run(tmp_path, 0, [0.1, 0.2, 0.3])
  assert report.main([str(tmp_path), "--reference", "None"]) == 0
  (run / "summary.json").write_text('{"steps": 30}')
  assert report.main([str(tmp_path), "--reference", "None"]) == 0
  log = run / "metrics.jsonl"
  log.write_bytes(log.read_bytes()[:-9])
  capsys.readouterr()
  assert_refused(
    [tmp_path], "metrics.jsonl is damaged: it ends at step 20, and the run at 30.", capsys
  )


def test_nothing_logged_yet(tmp_path, capsys):
  write_sweep(tmp_path / "sweep", lambda member: [], **GRID)
  assert_refused([tmp_path / "sweep"], str(tmp_path / "sweep"), capsys)
  log_of(b"")(write_run(tmp_path, 0, [0.1]))
  (tmp_path / "sweep" / "settings.json").unlink()
  assert report.main([str(tmp_path), "--reference", "None"]) == 0
  row = cells((tmp_path / "survival.md").read_text())["baseline mul", "grokfax"]
  assert row[:5] == ["1", "0", "1", "0", "1"]


def row_of(step):
  return b'{"step": %d, "train_accuracy": 1, "val_accuracy": 1}\n' % step


DAMAGE = {
  "log is not text": (log_of(b"\xff\xfe"), "metrics.jsonl"),
  "log has other lines": (
    log_of(b'{"step": 10, "train_accuracy": 1, "val_accuracy": 1}\n[]\n'),
    "metrics.jsonl is damaged: line 2",
  ),
  "log is torn within": (log_of(b'{"st\n{"step": 10}\n'), "metrics.jsonl is damaged: line 1"),
  "steps fall": (log_of(row_of(20) + row_of(10)), "metrics.jsonl is damaged: line 2"),
  "a step twice": (log_of(row_of(10) + row_of(20) * 2), "metrics.jsonl is damaged: line 3"),
  "NaN": (
    log_of(row_of(10) + row_of(20).replace(b"1,", b"NaN,") + row_of(30) * 2),
    "metrics.jsonl is damaged: line 2",
  ),
  "nested too deep": (
    log_of(row_of(10) + b"[" * 10**5 + b"\n\n"),
    "metrics.jsonl is damaged: line 2",
  ),
  "no accuracy": (log_of(b'{"step": 10}\n'), "metrics.jsonl is damaged: line 1"),
  "summary": (lambda f: (f / "summary.json").write_text("{"), "summary.json"),
  "costs": (
    lambda f: (f / "summary.json").write_text('{"steps": "x", "seconds": 1}'),
    "summary.json",
  ),
  "environment": (lambda f: (f / "environment.json").write_text("[]"), "environment.json"),
  "members": (
    lambda f: (f / "settings.json").write_text('{"members": 3, "common": {}}'),
    "settings.json",
  ),
  "a member too many": (
    log_of(b'{"member": 1, "step": 10, "train_accuracy": 1, "val_accuracy": 1}\n'),
    "run-0",
  ),
}


@pytest.mark.parametrize(("damage", "name"), DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_folder(damage, name, tmp_path, capsys):
  damage(write_run(tmp_path, 0, [0.1]))
  assert_refused([tmp_path], name, capsys)
  assert [path.name for path in tmp_path.iterdir()] == ["run-0"]
