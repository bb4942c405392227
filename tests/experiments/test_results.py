"""The committed evidence: complete, at the sources' length, and what the pages say of it."""

import json
from pathlib import Path

import numpy as np
import pytest

from experiments import logs, report, summary

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "experiments" / "results"
RUNS = sorted(path.parent for path in RESULTS.glob("*/*/settings.json"))
MODULAR = [folder for folder in RUNS if folder.parent.name == "modular"]
# Settings besides the source's own, each with its filter or its weight decay alone; seeds; steps
# of the budget and between evaluations; and the figure that the README's table shows.
GRIDS = {
  "MNIST": ((0.01, 2.0), 5, 100_000, 100, "val_85_step"),
  "QM9": ((0.0, 0.01), 5, 100_000, 200, "best_val_batch_loss"),
}


def test_five_seeds_of_each():
  names = {path.name for path in MODULAR}
  for method in ("grokfast_ema", "grokfast_ma", "delayed_compression"):
    assert {f"mul-{method}-{seed}" for seed in range(5)} <= names


@pytest.mark.parametrize("folder", RUNS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_committed_run(folder):
  """To its end, by a commit without changes, and its summary is what the log says."""
  values = {"experiment": "modular", **json.loads((folder / "settings.json").read_text())}
  records = logs.read_log(folder / "metrics.jsonl")
  assert records[-1]["step"] == values["steps"]
  assert np.unique(np.diff([record["step"] for record in records])).size == 1
  stored = json.loads((folder / "summary.json").read_text())
  thresholds = logs.EXPERIMENTS[values["experiment"]].thresholds
  result = summary.summarise(records, full_budget=True, thresholds=thresholds)
  compared = stored.keys() & result.keys()
  assert len(compared) >= 4
  assert {name: stored[name] for name in compared} == {name: result[name] for name in compared}
  environment = json.loads((folder / "environment.json").read_text())
  assert len(environment["commit"]) == 40  # and no "+": nothing was changed


@pytest.mark.parametrize("folder", MODULAR, ids=lambda path: path.name)
def test_a_modular_run_has_the_sources_settings(folder):
  experiment = logs.EXPERIMENTS["modular"]
  settings = experiment.settings(**json.loads((folder / "settings.json").read_text()))
  assert experiment.describe(settings) == f"{settings.method} {settings.operation}"
  assert folder.name == f"{settings.operation}-{settings.method}-{settings.seed}"
  assert settings.steps == 2_500


def test_the_pages_show_what_the_logs_say():
  ours = logs.read_runs(RESULTS / "modular")
  assert report.table(ours) in (ROOT / "README.md").read_text()
  known = {run.setting for run in ours}
  theirs = logs.read_reference(RESULTS / "reference_curves.json")
  both = ours + [run for run in theirs if run.setting in known]
  assert report.table(both, budget=2_000) in (RESULTS / "README.md").read_text()


@pytest.mark.parametrize("name", GRIDS)
def test_filter_and_weight_decay_each_alone(name):
  """All four settings with all seeds, all else the source's; the pages show their figures."""
  decays, seeds, steps, interval, figure = GRIDS[name]
  runs = logs.read_runs(RESULTS / name.lower())
  settings = [f"{m}, weight_decay {wd}" for m in ("baseline", "grokfast_ema") for wd in decays]
  assert [(run.setting, run.seed) for run in runs] == [
    (s, i) for s in settings for i in range(seeds)
  ]
  for run in runs:
    assert run.steps == run.records[-1]["step"] == steps
    assert run.records[0]["step"] == interval
  assert report.table(runs) in (RESULTS / "README.md").read_text()
  (row,) = [
    line for line in (ROOT / "README.md").read_text().splitlines() if line.startswith(f"| {name} ")
  ]
  for setting in settings:
    values = [report.summary_of(run)[figure] for run in runs if run.setting == setting]
    assert report.spread(figure, values) in row, setting
