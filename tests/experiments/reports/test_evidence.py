"""The committed evidence: complete, at the sources' settings, by clean commits, as its logs say."""

import functools
import json
import math
import re
import statistics

import numpy as np
import pytest

from experiments.files import RESULTS
from experiments.reports import ways
from experiments.reports.read import by_setting, read_runs, up_to
from experiments.runs import folder, identity, settings
from experiments.studies import trajectory
from experiments.studies.grids import STUDIES

PAPERS_EMA = "grokfast_ema mul"
DECAY_ALONE = "baseline mul, weight_decay 0.005"
# Both weight decays, seeds and steps of the tables.
GRIDS = {
  "mnist": ((0.01, 2.0), 5, 100_000),
  "qm9": ((0.0, 0.01), 5, 100_000),
  "imdb": ((1.0, 10.0), 1, 4_995),
}
SYSTEMS = ("modular", *GRIDS)
# Members of each sweep.
SWEEPS = {
  "sweep": 40, "operands": 10, "accelerator_seeds": 64, "adder_small": 10, "adder_larger": 20,
  "neighbours/filters": 25, "neighbours/blocks": 10, "neighbours/stability": 20,
  "neighbours/adamw": 5, "neighbours/embedding": 5, "neighbours/cap": 10, "neighbours/muon": 10,
  "neighbours/ademamix": 5, "neighbours/columns": 5, "neighbours/egalitarian": 5,
  "neighbours/projection": 5, "neighbours/reset": 5,
  "neighbours_trials/columns": 3, "neighbours_trials/columns_slower": 2,
  "neighbours_trials/newton_schulz": 3, "neighbours_trials/projection_leaf": 4,
  "neighbours_trials/projection_leaf_longer": 2, "neighbours_trials/projection_global": 3,
  "neighbours_trials/projection_global_longer": 1,
  "parity3/plain": 24, "parity3/momentum": 8, "parity3/filter": 8, "parity3/filter_tuned": 8,
  "parity5/plain": 16, "parity5/momentum": 8, "parity5/filter": 16,
  **{f"parity{k}_tuning/{arm}": 48 for k in (3, 5) for arm in ("plain", "momentum", "filter")},
}  # fmt: skip
# Of the studies, but for the parts that are still to be trained.
PARTS = {
  f"{each.name}/{name}": part for each in STUDIES for name, part in each.of_size(full=False).items()
}
SWEEPS |= {f"studies/{name}": len(part.members()) for name, part in PARTS.items()}
DIVERGED = {"studies/controls/descent", "studies/controls/descent_filter"}  # at the larger rates
BENCHMARKS = sorted((RESULTS / "benchmarks").glob("*.json"))


@functools.cache
def runs_of(name):
  return read_runs(RESULTS / name)


def read(folder, name):
  return json.loads((folder / f"{name}.json").read_text())


def assert_clean(environment):
  """By a commit, and nothing was changed since: that would be told by a "+"."""
  assert re.fullmatch("[0-9a-f]{40}", environment["commit"])


def test_five_seeds_of_each():
  names = {run.folder.name for run in runs_of("modular") if run.folder}
  for method in ("baseline", "grokfast_ema", "grokfast_ma", "delayed_compression"):
    assert {f"mul-{method}-{seed}" for seed in range(5)} <= names


def test_there_is_nothing_else():
  """A run in a folder that no test here reads would be held by none."""
  found = {path.parent.relative_to(RESULTS).as_posix() for path in RESULTS.rglob("settings.json")}
  of_systems = {folder for folder in found if folder.split("/")[0] in SYSTEMS}
  assert found - of_systems == set(SWEEPS)


@pytest.mark.parametrize("name", SYSTEMS)
def test_committed_runs(name):
  """To their ends, IMDb's to its table's; a summary is what the log says."""
  for run in runs_of(name):
    steps = [record["step"] for record in run.records]
    if name == "imdb":
      assert {*range(15, GRIDS["imdb"][2] + 1, 15)} <= set(steps)
    else:
      assert steps[-1] == run.steps, run.folder
      assert np.unique(np.diff(steps)).size == 1, run.folder
    stored = read(run.folder, "summary")
    compared = stored.keys() & run.summary.keys()
    assert len(compared) >= 4
    assert {n: stored[n] for n in compared} == {n: run.summary[n] for n in compared}, run.folder
    assert_clean(read(run.folder, "environment"))


def test_modular_runs_have_the_sources_settings():
  """But for the baseline with the weight decay that the EMA run has beside its filter."""
  for run in runs_of("modular"):
    assert run.folder
    method, operation, decay = (run.values[n] for n in ("method", "operation", "weight_decay"))
    name = f"{operation}-{method}"
    if method == "baseline" and decay:
      assert decay == settings.make("modular", method="grokfast_ema")["weight_decay"]
      assert run.setting == DECAY_ALONE
      assert (run.folder.name, run.steps) == (f"{name}-wd{decay}-{run.seed}", 10_000)
      continue
    source = settings.make("modular", method=method, operation=operation)
    assert identity.is_sources(settings.from_file("modular", run.values))
    assert run.setting == f"{method} {operation}"
    assert run.folder.name == f"{name}-{run.seed}"
    assert run.steps == source["steps"]


def test_the_seed_that_did_not_cross_with_weight_decay_alone_has_not_memorised():
  found = [run.summary for run in runs_of("modular") if run.setting == DECAY_ALONE]
  (late,) = (summary for summary in found if summary["val_95_step"] is None)
  assert len(found) == 5
  assert late["train_99_step"] is None


@pytest.mark.parametrize("name", GRIDS)
def test_filter_and_weight_decay_each_alone(name):
  """All four settings with all seeds, all else the source's."""
  decays, seeds, steps = GRIDS[name]
  found = [(run.setting, run.seed, up_to(run, steps).steps) for run in runs_of(name)]
  labels = [f"{m}, weight_decay {wd}" for m in ("baseline", "grokfast_ema") for wd in decays]
  assert found == [(label, seed, steps) for label in labels for seed in range(seeds)]


def test_imdb_falls_back_to_chance_at_the_large_weight_decay_alone():
  """And stays there: from some step on the training accuracy is under 60 %."""
  for run in runs_of("imdb"):
    last = max(r["step"] for r in up_to(run, 4_995).records if r["train_accuracy"] > 0.6)
    assert (last == 4_995) == (run.values["weight_decay"] == 1.0)


@pytest.mark.parametrize("name", SWEEPS)
def test_committed_sweeps(name):
  """Every member to its end; the summary is what the log says."""
  runs, stored = runs_of(name), read(RESULTS / name, "summary")
  assert len(runs) == stored["members"] == SWEEPS[name]
  diverged = {run.ended for run in runs} - {"budget", "held"}
  assert diverged == ({"diverged"} if name in DIVERGED else set())
  assert all(np.unique(np.diff([r["step"] for r in run.records])).size <= 1 for run in runs)
  assert sum(run.last for run in runs) == stored["steps"]
  assert bool(stored["diverged"]) == (name in DIVERGED)
  environment = read(RESULTS / name, "environment")
  for part in (environment, *environment.get("resumed", [])):
    assert_clean(part)


@pytest.mark.parametrize("name", PARTS)
def test_a_study_s_runs_are_what_it_asks_for(name):
  saved = folder.saved(RESULTS / "studies" / name)
  asked = [member.kept() for member in PARTS[name].members()]
  task = PARTS[name].task
  # Read as the settings of today: what came since then has its default.
  found = [settings.from_file(task, saved["common"] | own).kept() for own in saved["members"]]
  assert found == asked


@pytest.mark.parametrize("k", [3, 5])
def test_parity_is_scored_at_what_was_tuned(k):
  """Of sixteen trials of each arm the one that held 95 % first at the median of its three seeds."""
  scored = {run.setting.replace(", eval_every 20", "") for run in runs_of(f"parity{k}")}
  for arm in ("plain", "momentum", "filter"):
    trials = by_setting(runs_of(f"parity{k}_tuning/{arm}"))
    assert len(trials) == 16

    def held(runs):
      steps = [run.summary["val_95_sustained_step"] or math.inf for run in runs]
      return statistics.median(steps), sum(steps)

    (best, _), _ = min(trials.items(), key=lambda item: held(item[1]))
    assert best.replace(", eval_every 20", "").replace(", eval_every 60", "") in scored


def test_a_sweep_s_members_are_the_runs_alone():
  """Digit for digit, of processes and programs of their own."""
  alone = {run.seed: run for run in runs_of("modular") if run.setting == PAPERS_EMA}
  members = [run for run in runs_of("sweep") if run.setting == PAPERS_EMA]
  assert [run.seed for run in members] == list(range(5))
  for member in members:
    pairs = list(zip(member.records, alone[member.seed].records, strict=False))
    assert len(pairs) >= 200
    for name in ("step", "val_accuracy", "val_loss"):
      assert all(one[name] == other[name] for one, other in pairs)


@pytest.mark.parametrize("file", BENCHMARKS, ids=lambda file: file.stem)
def test_a_benchmark_says_by_which_code_and_on_what(file):
  environment = json.loads(file.read_text())["environment"]
  assert_clean(environment)
  on_gpu = file.stem.endswith("-gpu")
  assert environment["backend"] == ("gpu" if on_gpu else "cpu")
  if on_gpu:
    assert environment["devices"] == ["NVIDIA H200"]  # as the pages say
  else:
    assert environment["cores"] == 2


def test_the_import_costs_little():
  assert read(RESULTS / "benchmarks", "import_time")["ratio"] <= 0.1


def test_the_ways_are_of_the_runs_that_are_committed_with_logs():
  """The same settings and seeds gave the same steps, in a program of its own.

  With weight decay alone the steps are many, and rounding leads to others nearby.
  """
  folder = RESULTS / "studies" / "trajectory"
  names = {arm: f"mul-{arms['method']}" for arm, arms in trajectory.ARMS.items()}
  names["weight decay"] += "-wd0.005"
  found = ways.read(folder)
  assert found.keys() == names.keys()
  for arm, runs in found.items():
    for seed, run in enumerate(runs):
      logged = read(RESULTS / "modular" / f"{names[arm]}-{seed}", "summary")
      memorised, crossed = logged["train_99_step"], logged["val_95_step"]
      if crossed and crossed > run["settings"]["steps"]:
        crossed = None  # later than this run's end
      for step, other in ((run["steps"]["B"], memorised), (run["steps"]["C"], crossed)):
        near = step is not None and arm == "weight decay"
        assert step == (pytest.approx(other, rel=0.15) if near else other)
      asked = settings.make("modular", **trajectory.ARMS[arm], seed=seed).kept()
      assert settings.from_file("modular", run["settings"]).kept() == asked
      assert run["axes"] == found["baseline"][seed]["axes"]
      assert_clean(run["environment"])
    assert len(runs) == 5
  assert read(folder, "distances") == json.loads(json.dumps(ways.distances(found)))
