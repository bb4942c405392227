"""The report: from logs alone, with what did not get there counted."""

import dataclasses
import json

import pytest

from experiments import logs, qm9, report
from experiments.cli import UsageError
from tests.experiments.logged import cells, log_of, write_run


def test_table_and_picture(tmp_path, capsys):
  write_run(tmp_path, 0, [0.5, 0.96, 0.5, *[0.99] * 60])
  write_run(tmp_path, 1, [0.5] * 63)
  write_run(tmp_path, 2, [0.5, 0.5, *[0.99] * 61])
  write_run(tmp_path, 0, [0.1] * 63, weight_decay=0.5)
  assert report.main([str(tmp_path), "--reference", "None"]) == 0
  lines = capsys.readouterr().out.splitlines()
  columns = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
  assert columns[2] == [
    "baseline mul", "grokfax", "3", "40 (30 to -), 1 not", "30 (20 to -), 1 not",
    "40 (30 to -), 1 not", "1 (0 to -), 1 not",
  ]  # fmt: skip
  assert columns[3] == ["baseline mul", "published", "1", "", "39,890", "", ""]
  assert columns[4][0] == "baseline mul, weight_decay 0.5"
  assert columns[4][4] == "-"
  assert (tmp_path / "table.md").read_text().splitlines() == lines
  assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_a_torn_last_line_is_left_out(tmp_path):
  folder = write_run(tmp_path, 0, [0.5, 0.96])
  with (folder / "metrics.jsonl").open("a") as log:
    log.write('{"step": 30, "train_acc')
  (run,) = logs.read_runs(tmp_path)
  assert [record["step"] for record in run.records] == [10, 20]


def test_a_budget_cuts_the_logs(tmp_path):
  write_run(tmp_path, 0, [0.1] * 9)
  (run,) = logs.read_runs(tmp_path)
  assert len(logs.up_to(run, 50).records) == 5
  assert logs.up_to(run, 50).steps == 50
  assert logs.up_to(run, None) is run


def test_a_run_that_was_ended_early_is_not_sustained(tmp_path):
  write_run(tmp_path, 0, [0.5, *[0.99] * 60], steps=2_500)
  write_run(tmp_path, 1, [0.5, *[0.99] * 60], steps=610)
  short, long = sorted(logs.read_runs(tmp_path), key=lambda run: run.steps)
  sustained = [report.table([run]).splitlines()[2].split("|")[6].strip() for run in (short, long)]
  assert sustained == ["20", "-"]
  with pytest.raises(
    UsageError, match="baseline mul has runs of 610 and 2,500 steps: name a --bud"
  ):
    report.table([short, long])
  assert "| 2 |" in report.table([short, long], budget=600)


def test_runs_of_other_settings_are_not_pooled(tmp_path, capsys):
  write_run(tmp_path, 0, [0.1])
  write_run(tmp_path, 0, [0.1], batch_size=64)
  write_run(tmp_path, 0, [0.1], include_zero=True)
  write_run(tmp_path, 0, [0.1], eval_every=2)
  settings = {run.setting.removeprefix("baseline mul") for run in logs.read_runs(tmp_path)}
  assert settings == {"", ", batch_size 64", ", include_zero True", ", eval_every 2"}
  write_run(tmp_path, 0, [0.2])
  assert report.main([str(tmp_path)]) == 2
  assert "has seed 0 of baseline mul twice" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["{", "{}x", '{"method": "sgd"}', '{"colour": 1}', "[]", "null"])
def test_foreign_settings(text, tmp_path, capsys):
  (write_run(tmp_path, 0, [0.1]) / "settings.json").write_text(text)
  assert report.main([str(tmp_path)]) == 2
  error = capsys.readouterr().err
  assert "settings.json is not the settings of a run" in error
  assert error.count("\n") == 1


def test_a_folder_without_runs(tmp_path, capsys):
  assert report.main([str(tmp_path)]) == 2
  assert "has no runs" in capsys.readouterr().err
  with pytest.raises(UsageError):
    logs.read_runs(tmp_path / "missing")


@pytest.mark.parametrize("losses", [(1.0, 0.5), (None,)])
def test_losses_alone(losses, tmp_path):
  folder = tmp_path / "run"
  folder.mkdir()
  settings = dataclasses.asdict(qm9.EXPERIMENT.resolve(qm9.EXPERIMENT.settings(steps=20)))
  del settings["out"], settings["data"]
  (folder / "settings.json").write_text(json.dumps({"experiment": "qm9"} | settings))
  rows = [{"step": 10 * i, "train_loss": v, "val_loss": v} for i, v in enumerate(losses, 1)]
  (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
  assert report.main([str(tmp_path)]) == 0
  header = cells((tmp_path / "survival.md").read_text())["setting", "of"]
  assert header == ["n", "diverged", "did not finish"]
  assert not (tmp_path / "heatmap.png").exists()


DAMAGE = {
  "log is not text": (log_of(b"\xff\xfe"), "metrics.jsonl is damaged: it is not text"),
  "log has other lines": (
    log_of(b'{"step": 10, "train_accuracy": 1, "val_accuracy": 1}\n[]\n'),
    "metrics.jsonl is damaged: line 2",
  ),
  "log is torn within": (log_of(b'{"st\n{"step": 10}\n'), "metrics.jsonl is damaged: line 1"),
  "no accuracy": (log_of(b'{"step": 10}\n'), "metrics.jsonl is damaged: line 1"),
  "summary": (lambda f: (f / "summary.json").write_text("{"), "summary.json is damaged"),
  "costs": (lambda f: (f / "summary.json").write_text('{"steps": "x", "seconds": 1}'),
            "summary.json is damaged"),
  "environment": (lambda f: (f / "environment.json").write_text("[]"), "environment.json is dam"),
  "members": (lambda f: (f / "settings.json").write_text('{"members": 3, "common": {}}'),
              "settings.json is not the settings"),
}  # fmt: skip


@pytest.mark.parametrize(("damage", "message"), DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_folder(damage, message, tmp_path, capsys):
  damage(write_run(tmp_path, 0, [0.1]))
  assert report.main([str(tmp_path)]) == 2
  captured = capsys.readouterr()
  assert captured.out == ""
  assert message in captured.err
  assert captured.err.count("\n") == 1
  assert [path.name for path in tmp_path.iterdir()] == ["run-0"]


def test_what_cannot_be_written_leaves_nothing(tmp_path, capsys):
  write_run(tmp_path, 0, [0.1])
  (tmp_path / "report.html").mkdir()
  assert report.main([str(tmp_path)]) == 1
  assert "report.html" in capsys.readouterr().err
  assert not list(tmp_path.glob("*.part"))
