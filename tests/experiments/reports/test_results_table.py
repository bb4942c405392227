"""The table of results: median and range, with what did not get there counted."""

import pytest

from experiments import report
from experiments.fields import UsageError
from experiments.reports import results
from experiments.reports.read import read_runs
from tests.experiments.reports.fake_runs import cells, losses_of, write_run


def test_the_table(tmp_path, capsys):
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


def test_a_run_that_was_ended_early_is_not_sustained(tmp_path):
  write_run(tmp_path, 0, [0.5, *[0.99] * 60], steps=2_500)
  write_run(tmp_path, 1, [0.5, *[0.99] * 60], steps=610)
  short, long = sorted(read_runs(tmp_path), key=lambda run: run.steps)
  sustained = [results.table([run]).splitlines()[2].split("|")[6].strip() for run in (short, long)]
  assert sustained == ["20", "-"]
  with pytest.raises(UsageError, match=r"baseline mul .* 610 and 2,500 steps.* --budget"):
    results.table([short, long])
  assert "| 2 |" in results.table([short, long], budget=600)


def test_a_budget_between_two_evaluations(tmp_path):
  write_run(tmp_path, 0, [0.5, *[0.99] * 99])
  assert "| 20 | 20 | 0 |" in results.table(read_runs(tmp_path), budget=995)


def test_a_goal_that_is_a_loss(tmp_path, line):
  """Without columns of the task's own: its goal and the last loss, the source's figures below."""
  write_run(tmp_path, 0, losses_of([0.5, 0.09, 0.2]), task=line)
  write_run(tmp_path, 1, losses_of([0.5, 0.4, 0.05]), task=line)
  write_run(tmp_path, 2, losses_of([0.5, None, 0.3]), task=line)
  rows = cells(results.table(read_runs(tmp_path)))
  assert rows["baseline", "grokfax"] == ["3", "30 (20 to -), 1 not", "0.2 (0.05 to 0.3)"]
  assert rows["baseline", "published"][:2] == ["1", "70"]
