"""The table of transfers, from logs written by hand."""

import pytest

from experiments.reports import read
from experiments.reports.pages.studies import transfer
from experiments.studies.contenders import CONTENDERS
from experiments.studies.grids.transfer import TRANSFER
from tests.experiments.reports.fake_runs import records_of, write_run, write_sweep

UP, DOWN = [0.2] * 9 + [1.0] * 91, [0.2] * 99 + [0.3]  # at the goal from step 100 on, or never


@pytest.fixture
def studies(tmp_path, monkeypatch):
  """Of polynomials the recipe gets there and AdamW in one seed of two; of MNIST all do."""

  def runs_of(_, part):
    place, _, arm = part.partition("_")
    if place not in ("polynomials", "mnist"):
      return []
    folder = tmp_path / part
    folder.mkdir()
    task, own = ("mnist", {}) if place == "mnist" else ("modular", {"operation": "x3+xy"})
    method = "baseline" if arm == "adamw" else "recipe"
    for seed in range(2):
      late = place == "polynomials" and arm == "adamw" and seed
      write_run(folder, seed, DOWN if late else UP, task=task, method=method, **own)
    return read.read_runs(folder)

  monkeypatch.setattr(transfer, "runs_of", runs_of)


def test_table(studies):
  _, _, *rows = transfer.transfer().splitlines()
  assert rows == [
    "| x3+xy | 1,000 | 95 % | 2 | 100 (100 to 100); 2 of 2 hold it |  "
    "| - (100 to -), 1 not; 1 of 2 hold it |",
    "| MNIST, 1,000 images | 1,000 | 85 % | 2 | 100 (100 to 100); 2 of 2 hold it "
    "| 100 (100 to 100); 2 of 2 hold it | 100 (100 to 100); 2 of 2 hold it |",
  ]


def test_what_never_gets_there_and_what_is_held_for_long_enough(tmp_path):
  never = [read.read_runs(write_run(tmp_path, seed, DOWN, task="mnist"))[0] for seed in range(2)]
  assert transfer._cell(never) == "none of 2, best 30 %"

  early = {"method": "recipe", "steps": 1_000, "stop_when_held": 500}
  write_sweep(tmp_path / "early", lambda _: records_of(UP[:60]), seeds=2, **early)
  assert transfer._cell(read.read_runs(tmp_path / "early")) == "100 (100 to 100); 2 of 2 hold it"


def test_the_page_has_every_part_of_the_default_size():
  shown = {
    f"{place}_{arm}"
    for place in transfer.PLACES
    for arm in (transfer.ARMS if place in transfer.ELSEWHERE else transfer.OF_ALL)
  }
  assert shown == set(TRANSFER.of_size(full=False))


def test_the_full_size_has_every_method_of_the_reference_track():
  parts = set(TRANSFER.of_size(full=True))
  for name, each in CONTENDERS.items():
    if each.tuned is not None and not each.open:
      assert f"fraction_{name}" in parts
      assert (f"parity_{name}" in parts) == (name != "stablemax")  # it needs classes
