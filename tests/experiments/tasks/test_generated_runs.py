"""S5, parity and teacher as a user starts them."""

import json

import numpy as np
import pytest

from experiments import commands
from experiments.runs.folder import FILES, LOCK, SEAL
from tests.experiments.tools import by_member

S5 = ["--operation", "xyx", "--width", "16", "--heads", "2", "--layers", "1"]
# Steps that are no whole evaluations, and the steps of the log.
RUNS = {
  "s5": (["s5", *S5, "--train-fraction", "0.05", "--steps", "4"], [2, 4]),
  "parity from a set": (
    ["parity", "--samples", "70", "--eval-every", "2", "--steps", "7"], [6, 12]
  ),
  "teacher": (["teacher", "--width", "16", "--eval-every", "2", "--steps", "5"], [4, 8]),
  "teacher of fresh samples": (["teacher", "--samples", "0", "--steps", "20"], [10, 20]),
}  # fmt: skip


@pytest.mark.parametrize("name", RUNS)
def test_smoke(name, tmp_path, capsys):
  """A run, its files, its table."""
  (task, *arguments), steps = RUNS[name]
  out = tmp_path / "run"
  assert commands.run_main(task, [*arguments, "--out", str(out)]) == 0
  files = {*FILES, SEAL, LOCK} - ({"accuracy.png"} if task == "teacher" else set())
  assert {path.name for path in out.iterdir()} == files
  records = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
  assert [record["step"] for record in records] == steps
  assert all(np.isfinite(list(record.values())).all() for record in records)
  assert f"{task}, grokfast_ema" in capsys.readouterr().out


def test_members_side_by_side_keep_their_own_secrets(tmp_path):
  sweep = ["parity", "--width", "16", "--seeds", "2", "--steps", "20"]
  logs = []
  for at_once in ("1", "2"):
    out = tmp_path / at_once
    assert commands.sweep_main([*sweep, "--at-once", at_once, "--out", str(out)]) == 0
    logs.append(by_member(out))
  for member in (0, 1):
    for one, other in zip(logs[0][member], logs[1][member], strict=True):
      assert one["val_loss"] == pytest.approx(other["val_loss"], rel=1e-3)


def test_a_small_parity_is_learnt(tmp_path):
  out = tmp_path / "run"
  arguments = ["--n", "10", "--k", "2", "--width", "100", "--method", "baseline"]
  assert commands.run_main("parity", [*arguments, "--steps", "1000", "--out", str(out)]) == 0
  assert json.loads((out / "summary.json").read_text())["val_95_step"] is not None
