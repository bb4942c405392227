"""MNIST, QM9 and IMDb as a user starts them, on made data."""

import json

import numpy as np
import pytest

from experiments import imdb, mnist, qm9, report
from experiments.files import FILES, LOCK

# Steps that are no whole epochs, and what the last row's step before them is.
RUNS = {
  "mnist": (mnist, ["--steps", "13", "--eval-every", "2"], [10, 13]),
  "qm9": (qm9, ["--steps", "9", "--eval-every", "2"], [4, 8, 9]),
  "imdb": (imdb, ["--steps", "3", "--batch-size", "375"], [2, 3]),
}


@pytest.mark.parametrize("name", RUNS)
def test_smoke(name, prepared, tmp_path, capsys):
  """A run, its files, its table; then the report of it."""
  module, arguments, steps = RUNS[name]
  out = tmp_path / "run"
  assert module.EXPERIMENT.main([*arguments, "--data", str(prepared), "--out", str(out)]) == 0
  files = {*FILES, LOCK} - ({"accuracy.png"} if name == "qm9" else set())
  assert {path.name for path in out.iterdir()} == files

  settings = json.loads((out / "settings.json").read_text())
  assert settings["experiment"] == name
  assert settings["optimizer"] == "adamw"
  assert not {"out", "data"} & set(settings)
  records = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
  assert [record["step"] for record in records] == steps
  assert all(np.isfinite(list(record.values())).all() for record in records)
  environment = json.loads((out / "environment.json").read_text())
  assert environment["data"]["source"] == "a made source"
  assert str(prepared) not in json.dumps([settings, environment])

  text = capsys.readouterr().out
  assert "data: a made source, in a made order" in text
  assert f"{name}, grokfast_ema, weight_decay {settings['weight_decay']}" in text
  interval = steps[0]
  assert f"with an evaluation every {interval}; into" in text
  assert ("shortened: the source has 10,000 steps" in text) == (name == "imdb")
  assert report.main([str(tmp_path)]) == 0
  table = (tmp_path / "table.md").read_text().splitlines()
  assert table[2].startswith(f"| grokfast_ema, weight_decay {settings['weight_decay']}")
  assert " | grokfax | 1 | " in table[2]
  assert (tmp_path / "curves.png").stat().st_size > 1_000


def test_the_batch_of_validation_is_the_best_after_an_epoch(prepared, tmp_path):
  """All 50 of QM9: never above the row's own loss, and equal to it where a row is an epoch."""
  for every in (1, 5):
    out = tmp_path / str(every)
    arguments = ["--data", str(prepared), "--steps", "40", "--eval-every", str(every)]
    assert qm9.EXPERIMENT.main([*arguments, "--out", str(out)]) == 0
  one, five = (
    [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
    for name in ("1", "5")
  )
  for record in one:
    assert record["val_batch_loss"] == pytest.approx(record["val_loss"], rel=1e-5)
  for i, record in enumerate(five):
    losses = [r["val_loss"] for r in one[5 * i : 5 * i + 5]]
    assert record["val_loss"] == pytest.approx(losses[-1], rel=1e-4)
    assert record["val_batch_loss"] == pytest.approx(min(losses), rel=1e-4)


def test_data_that_is_not_prepared(tmp_path, capsys):
  out = tmp_path / "run"
  for name, (module, arguments, _) in RUNS.items():
    assert module.EXPERIMENT.main([*arguments, "--data", str(tmp_path), "--out", str(out)]) == 2
    command = f"python -m experiments.data prepare {name} --folder {tmp_path}"
    assert f"is not there: run {command} first" in capsys.readouterr().err
  assert not out.exists()


@pytest.mark.parametrize(
  ("module", "arguments", "message"),
  [
    (
      qm9,
      ["--method", "delayed_compression"],
      "needs a training accuracy, which qm9 has not; it has",
    ),
    (qm9, ["--stop-when-held", "5"], "--stop-when-held needs an accuracy, which qm9 has not"),
    (qm9, ["--batch-size", "51"], "--batch-size must be from 1 to the 50 training molecules"),
    (imdb, ["--clip-norm", "0"], "--clip-norm must be above 0; got 0.0"),
    (imdb, ["--batch-size", "0"], "--batch-size must be from 1 to the 750 training reviews"),
    (mnist, ["--eval-every", "201"], "--eval-every must be at most 200, for an epoch has 5 steps"),
    (mnist, ["--init-scale", "nan"], "--init-scale must be above 0; got nan"),
  ],
)
def test_refused(module, arguments, message, prepared, tmp_path, capsys):
  out = tmp_path / "run"
  assert module.EXPERIMENT.main([*arguments, "--data", str(prepared), "--out", str(out)]) == 2
  error = capsys.readouterr().err
  assert message in error
  assert error.count("\n") == 1
  assert not out.exists()


def test_a_report_of_two_experiments_is_refused(prepared, tmp_path, capsys):
  for name in ("mnist", "qm9"):
    module, _, _ = RUNS[name]
    arguments = ["--data", str(prepared), "--steps", "1", "--out", str(tmp_path / name)]
    assert module.EXPERIMENT.main(arguments) == 0
  assert report.main([str(tmp_path)]) == 2
  assert "has runs of mnist and qm9: give each a folder of its own" in capsys.readouterr().err
