"""Processes that are watched to their goal."""

import statistics

import pytest

from experiments.benchmarks import time_to_95

LOOP = """
import json, time
for step, accuracy in enumerate({accuracies}):
  print(json.dumps({{"step": step, "val_accuracy": accuracy}}), flush=True)
  time.sleep(0.05)
"""


def watched(accuracies, tmp_path, monkeypatch, text=LOOP):
  (tmp_path / "loop.py").write_text(text.format(accuracies=accuracies))
  monkeypatch.setenv("PYTHONPATH", str(tmp_path))
  return time_to_95.watched(["loop"], tmp_path, "printed", tmp_path / "cache")


def test_a_process_is_watched_to_its_goal(tmp_path, monkeypatch):
  found = watched([0.1, 0.5, 0.96, 0.1, 0.99], tmp_path, monkeypatch)
  assert found["step"] == 2
  assert 0 < found["first look"] < found["to 95 %"]


def test_one_that_does_not_get_there_is_counted(tmp_path, monkeypatch):
  found = watched([0.1, 0.5], tmp_path, monkeypatch)
  assert found.keys() == {"first look"}
  rows = [{"who": "ours", **found}, {"who": "ours", "first look": 3.0, "to 95 %": 9.0, "step": 5}]
  summary = time_to_95.summary("ours", rows)
  assert (summary["runs"], summary["not there"], summary["step"]) == (2, 1, [5, 5, 5])
  assert summary["first look"][0] == statistics.median([found["first look"], 3.0])


def test_one_that_fails_says_so(tmp_path, monkeypatch):
  with pytest.raises(SystemExit, match="no such thing"):
    watched([], tmp_path, monkeypatch, text="raise ValueError('no such thing')")
  with pytest.raises(SystemExit, match="half-way"):
    watched([0.1, 0.2], tmp_path, monkeypatch, text=LOOP + "raise ValueError('half-way')")
