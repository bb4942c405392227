"""The report on what became of runs: each counted, up to any budget."""

import csv

from experiments import logs, report
from tests.experiments.logged import GRID, cells, log_of, write_run, write_sweep


def test_what_became_of_the_runs(fates):
  assert report.main([str(fates), "--reference", "None"]) == 0
  rows = cells((fates / "survival.md").read_text())
  row = dict(zip(rows["setting", "of"], rows["baseline mul", "grokfax"], strict=True))
  counts = {name: row[name] for name in ("n", "reached", "not yet", "diverged", "did not finish")}
  assert counts == {
    "n": "6",
    "reached": "4",
    "not yet": "1",
    "diverged": "2",
    "did not finish": "2",
  }
  with (fates / "runs.csv").open() as file:
    rows = list(csv.DictReader(file))
  ended = ["budget", "unfinished", "unfinished", "diverged", "diverged", "held"]
  assert [row["ended"] for row in rows] == ended
  assert [row["val_95_step"] for row in rows] == ["20", "", "40", "", "20", "20"]
  assert [row["diverged_step"] for row in rows] == ["", "", "", "30", "30", ""]
  assert [row["stop_when_held"] for row in rows] == [""] * 5 + ["50"]
  assert [row["steps"] for row in rows] == ["1000", "20", "40", "30", "30", "70"]


def test_kaplan_and_meier_in_the_table(fates):
  """First crossings at 20, 20, 20, then 20+, 40, and one that never can: 1/2, then 1/4."""
  assert report.main([str(fates), "--reference", "None"]) == 0
  with (fates / "survival.csv").open() as file:
    (row,) = csv.DictReader(file)
  assert [row[f"first_{n}"] for n in ("quartile_1", "median", "quartile_3")] == ["20", "40", ""]
  assert [row[f"first_interval_{n}"] for n in ("low", "high")] == ["20", ""]
  # Sustained: at 40; cut off at 20, at 30 and, for it was held, at 10; two never can.
  assert row["sustained_median"] == row["sustained_quartile_3"] == ""


def test_a_budget_counts_for_everything(fates):
  """Up to step 25 nothing has diverged, and whoever went on is not called unfinished."""
  assert report.main([str(fates), "--reference", "None", "--budget", "25"]) == 0
  with (fates / "runs.csv").open() as file:
    rows = list(csv.DictReader(file))
  assert {row["budget"] for row in rows} == {"25"}
  assert {row["steps"] for row in rows} == {"20"}
  assert [row["ended"] for row in rows] == ["budget", "unfinished", *["budget"] * 4]
  assert "--budget 25" in (fates / "report.html").read_text()


def test_a_budget_between_two_evaluations(tmp_path):
  write_run(tmp_path, 0, [0.5, *[0.99] * 99])
  assert "| 20 | 20 | 0 |" in report.table(logs.read_runs(tmp_path), budget=995)


def test_a_budget_before_the_first_evaluation(tmp_path):
  write_run(tmp_path, 0, [0.1, 0.99])
  assert report.main([str(tmp_path), "--reference", "None", "--budget", "5"]) == 0
  row = cells((tmp_path / "survival.md").read_text())["baseline mul", "grokfax"]
  assert row[:5] == ["1", "0", "1", "0", "0"]


def test_nothing_logged_yet(tmp_path, capsys):
  write_sweep(tmp_path / "sweep", lambda member: [], **GRID)
  assert report.main([str(tmp_path / "sweep")]) == 2
  assert "has no runs yet" in capsys.readouterr().err
  log_of(b"")(write_run(tmp_path, 0, [0.1]))
  (tmp_path / "sweep" / "settings.json").unlink()
  assert report.main([str(tmp_path), "--reference", "None"]) == 0
  row = cells((tmp_path / "survival.md").read_text())["baseline mul", "grokfax"]
  assert row[:5] == ["1", "0", "1", "0", "1"]
