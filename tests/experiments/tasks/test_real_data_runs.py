"""MNIST, QM9 and IMDb as a user starts them, on made data."""

import json

import numpy as np
import pytest

from experiments import commands, report
from experiments.runs.folder import FILES, LOCK, SEAL

# Steps that are no whole evaluations, and the steps of the log.
RUNS = {
  "mnist": (["--steps", "13", "--eval-every", "2"], [10, 20]),
  "qm9": (["--steps", "9", "--eval-every", "2"], [4, 8, 12]),
  "imdb": (["--steps", "1", "--batch-size", "375"], [2]),
}


def main(name, *arguments):
  return commands.run_main(name, [*map(str, arguments)])


@pytest.mark.parametrize("name", RUNS)
def test_smoke(name, prepared, tmp_path, capsys):
  """A run, its files, its table; then the report of it."""
  arguments, steps = RUNS[name]
  out = tmp_path / "run"
  assert main(name, *arguments, "--data", prepared, "--out", out) == 0
  files = {*FILES, SEAL, LOCK} - ({"accuracy.png"} if name == "qm9" else set())
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
  assert "a made source" in text
  assert f"{name}, grokfast_ema, weight_decay {settings['weight_decay']}" in text
  assert f"{steps[-1]} steps" in text, "the budget, rounded up"
  assert ("--steps 10000" in text) == (name == "imdb"), "the source's own length"
  assert report.main([str(tmp_path)]) == 0
  table = (tmp_path / "table.md").read_text().splitlines()
  assert table[2].startswith(f"| grokfast_ema, weight_decay {settings['weight_decay']}")
  assert " | grokfax | 1 | " in table[2]
  assert (tmp_path / "curves.png").stat().st_size > 1_000


def test_the_batch_of_validation_is_the_best_after_an_epoch(prepared, tmp_path):
  """All 50 of QM9: never above the row's own loss, and equal to it where a row is an epoch."""
  for every in (1, 5):
    out = tmp_path / str(every)
    arguments = ["--data", prepared, "--steps", "40", "--eval-every", every]
    assert main("qm9", *arguments, "--out", out) == 0
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
  for name, (arguments, _) in RUNS.items():
    assert main(name, *arguments, "--data", tmp_path, "--out", out) == 2
    command = f"python -m experiments.data prepare {name} --folder {tmp_path}"
    assert command in capsys.readouterr().err
  assert not out.exists()


@pytest.mark.parametrize(
  ("name", "arguments"),
  [
    ("qm9", ["--method", "delayed_compression"]),
    ("qm9", ["--stop-when-held", "5"]),
    ("qm9", ["--batch-size", "51"]),
    ("imdb", ["--clip-norm", "0"]),
    ("imdb", ["--batch-size", "0"]),
    ("mnist", ["--eval-every", "201"]),
    ("mnist", ["--init-scale", "nan"]),
  ],
)
def test_refused(name, arguments, prepared, tmp_path, capsys):
  out = tmp_path / "run"
  assert main(name, *arguments, "--data", prepared, "--out", out) == 2
  error = capsys.readouterr().err
  assert error.startswith("error: ")
  assert arguments[0] in error
  assert error.count("\n") == 1
  assert not out.exists()


def test_a_report_of_two_tasks_is_refused(prepared, tmp_path, capsys):
  for name in ("mnist", "qm9"):
    arguments = ["--data", prepared, "--steps", "1", "--out", tmp_path / name]
    assert main(name, *arguments) == 0
  assert report.main([str(tmp_path)]) == 2
  assert "mnist and qm9" in capsys.readouterr().err


def test_data_is_read_once_for_all_members(prepared, tmp_path, monkeypatch):
  """Unpacked, and its digests checked."""
  from experiments.tasks.datasets import store

  read, checked = [], store.check_digests
  monkeypatch.setattr(store, "check_digests", lambda *a: (read.append(1), checked(*a)))
  store._read.cache_clear()
  sweep = ["qm9", "--data", str(prepared), "--seeds", "3", "--steps", "1", "--eval-every", "1"]
  assert commands.sweep_main([*sweep, "--out", str(tmp_path / "out")]) == 0
  assert len(read) == 1
