"""The report's files, its page, and what that says of how the runs were made."""

import json

import pytest

from experiments import report
from experiments.reports import provenance
from experiments.reports.read import read_runs
from tests.experiments.reports.fake_runs import (
  GRID,
  cells,
  change_settings,
  curve,
  write_run,
  write_sweep,
)
from tests.experiments.reports.html_page import Page, data_uri


def made_by(folder, *commands, **facts):
  """Writes what a run's folder says of its environment, resumed with each further command."""
  first, *resumed = ({"command": command, **facts} for command in commands)
  (folder / "environment.json").write_text(json.dumps(first | {"resumed": resumed}))


def page_of(folder):
  assert report.main([str(folder), "--reference", "None"]) == 0
  return Page((folder / "report.html").read_text())


def test_the_page(fates):
  command = "python -m experiments.modular --method baseline --out 'a & <b>'"
  facts = {"commit": "a" * 40, "processor": "<fast & new>", "cores": 2, "devices": ["cpu"]}
  made_by(fates / "run-0", command, f"{command} --resume", **facts)
  page = page_of(fates)
  shown = {*page.texts["td"], *page.texts["th"]}
  for name in ("table.md", "survival.md"):
    for row in cells((fates / name).read_text()).values():
      assert set(filter(None, row)) - {"---"} <= shown, name
  assert page.pictures == [data_uri(fates / "curves.png")]
  assert page.references == page.pictures
  assert not page.tags.keys() & {"script", "link", "iframe", "b", "fast"}
  text = (fates / "report.html").read_text()
  assert not any(word in text for word in ("http:", "https:", "url(", "@import"))
  assert {"a" * 40, "<fast & new>"} <= shown
  (runs, this) = page.texts["pre"]
  assert runs.splitlines()[:2] == [command, f"{command} --resume"]
  assert this.strip() == f"python -m experiments.report {fates} --reference None"
  assert page.texts["h1"] == page.texts["title"] == ["modular, 6 runs of 1 setting"]
  assert page.tags["table"] == 3
  assert page.loose == []
  assert not list(fates.glob("*.part"))


def test_what_a_table_must_not_take_for_markup(tmp_path):
  for n, colour in enumerate(["<b>", "a|b", "*c* `d`", "&lt;", "_e_", "[f](g)", "\\|"]):
    change_settings(write_run(tmp_path, n, [0.1]), colour=colour)
  page = page_of(tmp_path)
  expected = [run.setting for run in read_runs(tmp_path)]
  assert [text for text in page.texts["td"] if "colour" in text] == 2 * expected
  assert len(expected) == 7
  assert not page.tags.keys() & {"b", "a"}


def test_a_sweep(tmp_path):
  folder = tmp_path / "sweep"
  write_sweep(folder, curve, **GRID)
  costs = {"steps": 1_000, "seconds": 2.0, "peak_bytes": 3 * 2**20}
  (folder / "summary.json").write_text(json.dumps(costs))
  command = "python -m experiments.sweep modular --lamb 1.0 2.0 4.0 8.0"
  made_by(folder, command)
  page = page_of(folder)
  rows = cells((folder / "survival.md").read_text())
  assert rows["setting", "of"][-2:] == ["ms a step", "peak memory"]
  soon = rows["grokfast_ema add, alpha 0.99, lamb 4.0", "grokfax"]
  assert soon == ["2", "2", "0", "0", "0", "60 (60 to 60)", "60 to 60", "60 (60 to 60)",
                  "60 to 60", "2", "3 MiB"]  # fmt: skip
  never = rows["grokfast_ema add, alpha 0.99, lamb 8.0", "grokfax"]
  assert never[:9] == ["2", "0", "0", "2", "0", "-", "-", "-", "-"]
  alone = rows["grokfast_ema mul, alpha 0.9, lamb 8.0", "grokfax"]
  assert alone[:6] == ["1", "0", "0", "1", "0", "-"]
  assert page.pictures == [data_uri(folder / name) for name in ("curves.png", "heatmap.png")]
  assert page.texts["pre"][0].strip() == command  # all members' is one


def test_commands_of_earlier_versions_are_counted_as_missing(tmp_path):
  for seed in range(3):
    made_by(write_run(tmp_path, seed, [0.1]), f"run {seed // 2}", time=f"2026-01-0{3 - seed}")
  (write_run(tmp_path, 3, [0.1]) / "environment.json").write_text('{"cores": 1}')
  write_run(tmp_path, 4, [0.1])
  found = provenance.recorded(read_runs(tmp_path))
  told = provenance.commands(found)
  assert told[:2] == ["run 0", "run 1"]
  assert told[2].startswith("#")
  assert "2" in told[2]
  assert dict(provenance.environments(found)) == {
    "cores": "1",
    "started": "2026-01-01 to 2026-01-03",
  }


@pytest.mark.parametrize("name", ["report.html", "table.md"])
def test_what_cannot_be_written_leaves_nothing(name, tmp_path, capsys):
  write_run(tmp_path, 0, [0.1])
  (tmp_path / name).mkdir()
  assert report.main([str(tmp_path)]) == 1
  (line,) = capsys.readouterr().err.splitlines()
  assert name in line
  assert not list(tmp_path.glob("*.part"))
