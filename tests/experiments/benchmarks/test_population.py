"""Populations and starts: rows of the committed form, and members of the real command."""

import json

import chex
import jax
import numpy as np
import pytest

from experiments.benchmarks import loops, population, start_up, tools
from experiments.training.devices import program_bytes
from tests.experiments.tools import with_key_biases

TINY = {"p": 7, "batch_size": 8, "width": 16, "heads": 2, "layers": 1}


def committed(name):
  return json.loads((tools.FOLDER / f"{name}-cpu.json").read_text())["rows"]


@pytest.fixture(autouse=True)
def without_torch(monkeypatch):
  monkeypatch.setattr(population, "torch_loop", None)


@pytest.mark.gate
def test_rows_of_populations(monkeypatch):
  alone, _ = population.population_of(1, **TINY)
  monkeypatch.setattr(tools, "memory_bytes", lambda: 16 * program_bytes(alone.program))
  rows = list(population.rows_of([1, 3, 9], seconds=0.01, **TINY))
  assert [(row["members"], row["operands"]) for row in rows] == [
    (1, "bfloat16"), (1, "float32"), (3, "float32"), (9, "float32")
  ]  # fmt: skip
  assert rows[3].keys() == {"members", "operands", "needs"}
  assert all(row["member-steps/s"][0] > 0 for row in rows[:3])
  saved = committed("population")[0]
  assert all(row.keys() == {name for name in saved if "torch" not in name} for row in rows[:3])


@pytest.mark.gate
def test_rates_count_the_steps_of_all_members(monkeypatch):
  """A call is an epoch, here of three steps, of each member."""
  monkeypatch.setattr(tools, "in_turns", lambda runs, seconds: {name: [0.5] * 2 for name in runs})
  *_, row = population.rows_of([3], seconds=0.0, **TINY)
  assert row["member-steps/s"] == [18.0, 18.0, 18.0]
  assert row["times one in float32"] == (3.0, 3.0, 3.0)


def test_an_epoch_has_been_computed_when_it_is_timed():
  members, steps = population.population_of(3, **TINY)
  assert steps == 3
  epoch = population.epoch_of(members)
  for expected in (3, 6):
    row = epoch()
    assert all(column.is_ready() for column in jax.tree.leaves(row))
    np.testing.assert_array_equal(row["step"], [expected] * 3)


@pytest.mark.gate
def test_stages_of_a_start(monkeypatch, tmp_path):
  made = 'settings.make("modular")'
  assert made in start_up.STAGES
  tiny = start_up.STAGES.replace(made, f'settings.make("modular", **{TINY})')
  monkeypatch.setattr(start_up, "STAGES", tiny)
  run = start_up.measure(str(tmp_path))
  assert start_up.row_of("cold", [run]).keys() == committed("start_up")[0].keys()
  parts = [run[name] for name in run if name not in ("all", "trace and compile, core-seconds")]
  assert all(seconds > 0 for seconds in parts)
  assert sum(parts) == pytest.approx(run["all"])
  assert list(tmp_path.iterdir()), "what was compiled is kept for the warm start"


@pytest.mark.gate
def test_loops_whose_length_is_told_train_alike():
  """An epoch here is three whole batches: the parameters come out the same."""
  tiny = TINY | {"batch_size": 7}
  calls, steps = loops.calls_of(2, **tiny)
  assert steps == 10 * 3
  both = (calls[name]().params for name in ("known", "told"))
  second = (jax.tree.map(lambda p: p[1], params) for params in both)
  known, told = (with_key_biases(jax.numpy.zeros_like, params) for params in second)  # else noise
  chex.assert_trees_all_close(known, told, rtol=1e-3, atol=1e-4)
  (row,) = loops.rows_of([2], seconds=0.01, **tiny)
  assert row["times known"].median > 0
