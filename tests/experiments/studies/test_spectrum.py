"""The study of spectra: what it records is the gradient's, by phase; it makes no run twice."""

import json

import numpy as np
import pytest

from experiments.runs import settings
from experiments.studies import spectrum

TINY = {"p": 7, "batch_size": 8, "width": 16, "heads": 2, "layers": 1}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  """Of one arm, to be quick."""
  folder = tmp_path_factory.mktemp("spectrum")
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(spectrum, "ARMS", {"Grokfast": spectrum.ARMS["Grokfast"]})
    spectrum.run_all(folder, 1, steps=600, eval_every=20, **TINY)
  return folder


def test_each_run_has_its_phases(folder):
  found = spectrum.read(folder)
  assert {arm: len(runs) for arm, runs in found.items() if runs} == {"Grokfast": 1}
  for run in found["Grokfast"]:
    for phase in run["phases"].values():
      assert len(phase["power"]) == len(spectrum.omega()) == 129
      assert np.all(np.array(phase["power"]) > 0)
      assert phase["segments"] in (2, 3)
  assert spectrum.draw(found).axes


def test_a_run_that_is_there_is_not_made_again(folder, monkeypatch):
  monkeypatch.setattr(spectrum, "recorded", lambda made: pytest.fail("it trains"))
  monkeypatch.setattr(spectrum, "ARMS", {"Grokfast": spectrum.ARMS["Grokfast"]})
  spectrum.run_all(folder, 1, steps=600, eval_every=20, **TINY)


def test_the_settings_are_those_of_a_run_alone(folder):
  saved = json.loads((folder / "Grokfast-0.json").read_text())
  made = settings.make("modular", method="grokfast_ema", seed=0, steps=600, eval_every=20, **TINY)
  assert saved["settings"] == json.loads(json.dumps(made.kept()))


def test_phases_are_told_by_the_crossing():
  power = {"segments": 2, "power": [0.0, 4.0, 1.0, *[0.0] * 126]}
  runs = [{"crossing": 900, "phases": {"at": power}}, {"crossing": None, "phases": {}}]
  assert spectrum.spectra(runs, "at").shape == (1, 129)
  assert spectrum.slow_share(runs, "at") == 1.0
