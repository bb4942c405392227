"""The committed evidence: complete, at the sources' length, and what the pages say of it."""

import collections
import json
import math
import statistics
from pathlib import Path

import numpy as np
import pytest

from experiments import crossings, fates, journal, logs, report, summary, tables
from experiments.wording import digits

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "experiments" / "results"
RUNS = sorted(path.parent for path in RESULTS.glob("*/*/settings.json"))
SWEEP = logs.read_runs(RESULTS / "sweep")
PAPERS_EMA = "grokfast_ema mul"
DECAY_ALONE = "baseline mul, weight_decay 0.005"
MODULAR = [folder for folder in RUNS if folder.parent.name == "modular"]
# Both weight decays, seeds and steps of the tables; the figure in the README's table.
GRIDS = {
  "mnist": ((0.01, 2.0), 5, 100_000, "val_85_step"),
  "qm9": ((0.0, 0.01), 5, 100_000, "best_val_batch_loss"),
  "imdb": ((1.0, 10.0), 1, 4_995, "best_val_batch_accuracy"),
}


def test_five_seeds_of_each():
  names = {path.name for path in MODULAR}
  for method in ("baseline", "grokfast_ema", "grokfast_ma", "delayed_compression"):
    assert {f"mul-{method}-{seed}" for seed in range(5)} <= names


@pytest.mark.parametrize("folder", RUNS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_committed_run(folder):
  """To its end, or IMDb's to its table's, by a clean commit; its summary is what the log says."""
  values = {"experiment": "modular", **json.loads((folder / "settings.json").read_text())}
  records = journal.read_log(folder / "metrics.jsonl")
  steps = [record["step"] for record in records]
  stored = json.loads((folder / "summary.json").read_text())
  if folder.parent.name == "imdb":
    assert {*range(15, GRIDS["imdb"][2] + 1, 15)} <= set(steps)
  else:
    assert steps[-1] == values["steps"]
    assert np.unique(np.diff(steps)).size == 1
  thresholds = logs.EXPERIMENTS[values["experiment"]].thresholds
  full = steps[-1] == values["steps"]
  result = summary.summarise(records, full_budget=full, thresholds=thresholds)
  compared = stored.keys() & result.keys()
  assert len(compared) >= 4
  assert {name: stored[name] for name in compared} == {name: result[name] for name in compared}
  environment = json.loads((folder / "environment.json").read_text())
  assert len(environment["commit"]) == 40  # and no "+": nothing was changed


@pytest.mark.parametrize("folder", MODULAR, ids=lambda path: path.name)
def test_a_modular_run_has_the_sources_settings(folder):
  """But for the baseline with the weight decay that the EMA run has beside its filter."""
  experiment = logs.EXPERIMENTS["modular"]
  settings = experiment.saved(folder)
  name, decay = f"{settings.operation}-{settings.method}", settings.weight_decay
  if settings.method == "baseline" and decay:
    assert decay == experiment.presets.of("grokfast_ema")["weight_decay"]
    assert experiment.describe(settings) == DECAY_ALONE
    assert (folder.name, settings.steps) == (f"{name}-wd{decay}-{settings.seed}", 10_000)
    return
  assert experiment.describe(settings) == f"{settings.method} {settings.operation}"
  assert folder.name == f"{name}-{settings.seed}"
  assert settings.steps == experiment.presets.of(settings.method)["steps"]


def test_the_pages_show_what_the_logs_say():
  ours = logs.read_runs(RESULTS / "modular")
  assert report.table(ours) in (ROOT / "README.md").read_text()
  known = {run.setting for run in ours}
  theirs = logs.read_reference(RESULTS / "reference_curves.json")
  both = ours + [run for run in theirs if run.setting in known]
  assert report.table(both, budget=2_000) in (RESULTS / "README.md").read_text()


def test_what_the_pages_say_of_the_baseline():
  """How many cross and when, the best of the others, and what of the gain is weight decay's."""
  found: dict[str, list] = {}
  for run in logs.read_runs(RESULTS / "modular"):
    found.setdefault(run.setting, []).append(fates.summary_of(run))

  def middle(setting, name="val_95_step"):
    return statistics.median(math.inf if s[name] is None else s[name] for s in found[setting])

  readme, page = (
    " ".join((folder / "README.md").read_text().split()) for folder in (ROOT, RESULTS)
  )
  (crossed,) = (s for s in found["baseline mul"] if s["val_95_step"])
  others = sorted(s["best_val_accuracy"] for s in found["baseline mul"] if s is not crossed)
  assert others[-1] < 0.95 < crossed["best_val_accuracy"]
  told = ", ".join(f"{100 * best:.1f} %" for best in others[-2:0:-1])
  assert (
    f"at 95 % (first at {crossed['val_95_step']:,}; the paper's one seed at 39,890), and the best "
    f"of the others were {100 * others[-1]:.2f} %, {told} and {100 * others[0]:.1f} %"
  ) in page
  assert sum(s["val_95_step"] is not None for s in found[DECAY_ALONE]) == 4
  (late,) = (s for s in found[DECAY_ALONE] if s["val_95_step"] is None)
  assert late["train_99_step"] is None
  decay, ema = middle(DECAY_ALONE), middle(PAPERS_EMA)
  assert 50_000 / decay >= 9.95
  assert decay / ema == pytest.approx(4, abs=0.1)
  assert f"at the median by step {decay:,}; with the EMA filter by {ema:,}, with" in readme
  rest = [middle(f"{m} mul") for m in ("grokfast_ma", "delayed_compression")]
  ma, compression = (f"{step:,}" for step in rest)
  assert f"the MA filter by {ma}, with Delayed Compression by {compression}." in readme
  first, second = (middle(name, "train_99_step") for name in (PAPERS_EMA, DECAY_ALONE))
  assert f"at step {first:,} with the filter and at {second:,} without" in page


@pytest.mark.parametrize("name", GRIDS)
def test_filter_and_weight_decay_each_alone(name):
  """All four settings with all seeds, all else the source's; the pages show their figures."""
  decays, seeds, steps, figure = GRIDS[name]
  runs = [logs.up_to(run, steps) for run in logs.read_runs(RESULTS / name)]
  settings = [f"{m}, weight_decay {wd}" for m in ("baseline", "grokfast_ema") for wd in decays]
  found = [(run.setting, run.seed, run.steps) for run in runs]
  assert found == [(setting, seed, steps) for setting in settings for seed in range(seeds)]
  assert report.table(runs) in (RESULTS / "README.md").read_text()
  lines = (ROOT / "README.md").read_text().splitlines()
  (row,) = [line for line in lines if line.lower().startswith(f"| {name}: ")]
  for setting in settings:
    values = [fates.summary_of(run)[figure] for run in runs if run.setting == setting]
    assert report.spread(figure, values) in row, setting


def test_the_page_on_all_held_out_reviews():
  runs = [logs.up_to(run, GRIDS["imdb"][2]) for run in logs.read_runs(RESULTS / "imdb")]
  best = [fates.summary_of(run)["best_val_accuracy"] for run in runs]
  neither, decay, filter_, both = (digits("best_val_accuracy", value) for value in best)
  text = " ".join((RESULTS / "README.md").read_text().split())
  assert (
    f"the best accuracies are {neither}, {decay} with weight decay alone, {filter_} with the "
    f"filter alone and {both} with both"
  ) in text


def test_what_the_page_says_of_imdb():
  """Steps to 70 %, the falls back to chance, and by how much the best batch flatters."""
  runs = [logs.up_to(run, GRIDS["imdb"][2]).records for run in logs.read_runs(RESULTS / "imdb")]
  first = [next(r["step"] for r in run if r["val_accuracy"] >= 0.7) for run in runs]
  last = [max(r["step"] for r in run if r["train_accuracy"] > 0.6) for run in runs]
  best = [
    [max(r[name] for r in run) for run in runs] for name in ("val_batch_accuracy", "val_accuracy")
  ]
  gains = sorted(round(100 * (batch - whole)) for batch, whole in zip(*best, strict=True))
  neither, decay, filter_, both = (f"{step:,}" for step in first)
  text = " ".join((RESULTS / "README.md").read_text().split())
  assert (
    f"70 % comes at step {neither} without the filter and at {filter_} with it. At weight decay 10 "
    f"it comes at {decay} without the filter and at {both} with it; then both fall back to chance, "
    f"training too, after step {last[1]:,} and after {last[3]:,}"
  ) in text
  assert last[0] == last[2] == GRIDS["imdb"][2]
  assert f"best batch of 50 is {gains[0]} to {gains[-1]} points above the best of all 250" in text


def test_a_sweep_s_members_are_the_runs_alone():
  """Digit for digit, of processes and programs of their own."""
  alone = {
    run.seed: run for run in logs.read_runs(RESULTS / "modular") if run.setting == PAPERS_EMA
  }
  members = [run for run in SWEEP if run.setting == PAPERS_EMA]
  assert [run.seed for run in members] == list(range(5))
  for member in members:
    pairs = list(zip(member.records, alone[member.seed].records, strict=False))
    assert len(pairs) >= 200
    for name in ("step", "val_accuracy", "val_loss"):
      assert all(one[name] == other[name] for one, other in pairs)


def test_what_the_page_says_of_the_sweep():
  text = (RESULTS / "README.md").read_text()
  reference = logs.read_reference(RESULTS / "reference_curves.json")
  both = SWEEP + [run for run in reference if run.setting == PAPERS_EMA]
  assert tables.markdown(crossings.rows(crossings.statistics_of(both))) in text
  held = collections.Counter(
    (run.values["alpha"], run.values["lamb"]) for run in SWEEP if fates.ending(run) == "held"
  )
  assert held == {(0.98, 2.0): 2, (0.98, 5.0): 4, (0.9, 1.0): 3, (0.9, 2.0): 2}
  words = " ".join(text.split())
  assert (
    "at α 0.98 two of five did with λ 2 and four with λ 5, at α 0.9 three with λ 1 and two with "
    "λ 2, and no other"
  ) in words
  plan, end = (
    json.loads((RESULTS / "sweep" / f"{n}.json").read_text()) for n in ("plan", "summary")
  )
  one, many = (each["member_steps_per_second"] for each in plan["measured"])
  assert f"{one:.1f} member-steps a second one after another, {many:.1f} with all 40" in words
  assert f"It made {end['member_steps_per_second']:.1f} over its 26 minutes" in words


def test_how_soon_qm9_reaches_a_loss_of_10():
  """The medians that the results' page gives."""
  first: dict[str, list[int]] = {}
  for run in logs.read_runs(RESULTS / "qm9"):
    step = next(r["step"] for r in run.records if r["val_loss"] <= 10)
    first.setdefault(run.setting, []).append(step)
  neither, decay, filter_, both = (f"{statistics.median(steps):,}" for steps in first.values())
  text = " ".join((RESULTS / "README.md").read_text().split())
  assert (
    f"at the medians, by step {neither} without either, {decay} with weight decay alone, "
    f"{filter_} with the filter alone and {both} with both"
  ) in text


def test_bfloat16_operands_beside_float32():
  runs = logs.read_runs(RESULTS / "operands")
  reference = logs.read_reference(RESULTS / "reference_curves.json")
  both = runs + [run for run in reference if run.setting == PAPERS_EMA]
  assert len(runs) == 10
  assert report.table(both) in (RESULTS / "README.md").read_text()
