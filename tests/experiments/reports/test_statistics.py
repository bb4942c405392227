"""What became of runs: each counted, up to any budget; crossings by Kaplan and Meier."""

import csv
import math

from experiments import report
from experiments.reports import statistics
from experiments.reports.read import read_runs
from experiments.reports.survival import first_crossing, sustained_crossing
from tests.experiments.reports.fake_runs import cells, losses_of, write_run


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


def test_a_budget_before_the_first_evaluation(tmp_path):
  write_run(tmp_path, 0, [0.1, 0.99])
  assert report.main([str(tmp_path), "--reference", "None", "--budget", "5"]) == 0
  row = cells((tmp_path / "survival.md").read_text())["baseline mul", "grokfax"]
  assert row[:5] == ["1", "0", "1", "0", "0"]


def test_a_goal_that_is_a_loss(tmp_path, line):
  """It is crossed downwards, and missed again upwards."""
  write_run(tmp_path, 0, losses_of([0.5, 0.09, 0.2, *[0.1] * 60]), task=line)
  write_run(tmp_path, 1, losses_of([0.5] * 63), task=line)
  write_run(tmp_path, 2, losses_of([0.05, None]), 630, task=line)
  write_run(tmp_path, 3, losses_of([0.5, *[0.05] * 6]), 630, task=line, stop_when_held=50)
  runs = read_runs(tmp_path)
  assert [run.ended for run in runs] == ["budget", "budget", "diverged", "held"]
  assert [first_crossing(run) for run in runs] == [
    (20, True),
    (630, False),
    (10, True),
    (20, True),
  ]
  assert [sustained_crossing(run) for run in runs] == [
    (40, True),
    (630, False),
    (math.inf, False),
    (10, False),
  ]
  (record,) = statistics.statistics_of(runs)
  counts = [record[n] for n in ("n", "reached", "not_yet", "diverged", "unfinished")]
  assert counts == [4, 3, 1, 1, 0]
  assert [record[f"first_{n}"] for n in ("quartile_1", "median", "quartile_3")] == [20, 20, None]


def test_losses_alone(tmp_path):
  """Where there is no goal there are no crossings; a loss that was not finite is no number."""
  for seed, losses in enumerate([(1.0, 0.5), (None,)]):
    write_run(tmp_path, seed, losses_of(losses), 20, task="qm9")
  assert report.main([str(tmp_path)]) == 0
  rows = cells((tmp_path / "survival.md").read_text())
  assert rows["setting", "of"] == ["n", "diverged", "did not finish"]
  assert rows["baseline, weight_decay 0.0", "grokfax"] == ["2", "1", "0"]
  assert not (tmp_path / "heatmap.png").exists()
  assert (tmp_path / "curves.png").exists()
