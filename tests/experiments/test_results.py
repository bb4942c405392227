"""The committed evidence: complete, with the sources' settings, and what the README says of it."""

import json
from pathlib import Path

import pytest

from experiments import logs, modular, report, summary

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "experiments" / "results"
RUNS = sorted(path.parent for path in RESULTS.glob("modular/*/settings.json"))


def test_five_seeds_of_each():
  names = {path.name for path in RUNS}
  for method in ("grokfast_ema", "grokfast_ma", "delayed_compression"):
    assert {f"mul-{method}-{seed}" for seed in range(5)} <= names


@pytest.mark.parametrize("folder", RUNS, ids=lambda path: path.name)
def test_a_committed_run(folder):
  settings = modular.Settings(**json.loads((folder / "settings.json").read_text()))
  assert modular.describe(settings) == f"{settings.method} {settings.operation}"  # the source's own
  assert folder.name == f"{settings.operation}-{settings.method}-{settings.seed}"
  records = logs.read_log(folder / "metrics.jsonl")
  assert [record["step"] for record in records] == list(range(10, 2_501, 10))
  stored = json.loads((folder / "summary.json").read_text())
  result = summary.summarise(records, full_budget=True)
  for name in ("train_99_step", "val_95_step", "val_95_sustained_step", "held_steps"):
    assert stored[name] == result[name], name
  environment = json.loads((folder / "environment.json").read_text())
  assert len(environment["commit"]) == 40  # and no "+": nothing was changed


def test_the_pages_show_what_the_logs_say():
  ours = logs.read_runs(RESULTS / "modular")
  assert report.table(ours) in (ROOT / "README.md").read_text()
  known = {run.setting for run in ours}
  theirs = logs.read_reference(RESULTS / "reference_curves.json")
  both = ours + [run for run in theirs if run.setting in known]
  assert report.table(both, budget=2_000) in (RESULTS / "README.md").read_text()
