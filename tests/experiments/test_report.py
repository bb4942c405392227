"""The report: from logs alone, with what did not get there counted."""

import dataclasses
import json

import pytest

from experiments import logs, modular, report
from experiments.cli import UsageError


def records_of(accuracies):
  return [
    {"step": 10 * i, "train_accuracy": a, "val_accuracy": a} for i, a in enumerate(accuracies, 1)
  ]


def write_run(folder, seed, accuracies, steps=None, **settings):
  folder = folder / f"run-{len(list(folder.iterdir()))}"
  folder.mkdir()
  settings = {"method": "baseline", "seed": seed, "steps": steps or 10 * len(accuracies)} | settings
  resolved = dataclasses.asdict(modular.EXPERIMENT.resolve(modular.Settings(**settings)))
  del resolved["out"]
  (folder / "settings.json").write_text(json.dumps(resolved))
  log = "".join(json.dumps(record) + "\n" for record in records_of(accuracies))
  (folder / "metrics.jsonl").write_text(log)
  return folder


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
