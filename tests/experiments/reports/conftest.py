"""Runs of each fate, and a task whose goal is a loss."""

import dataclasses

import jax.numpy as jnp
import pytest

from experiments.fields import setting
from experiments.tasks import TASKS
from experiments.tasks.task import Data, Goal, Model, Source, Task
from tests.experiments.reports.fake_runs import append, diverged_at, write_run


@pytest.fixture
def fates(tmp_path):
  """A run of each fate: to the end, cut off before the goal and after, diverged, held."""
  write_run(tmp_path, 0, [0.5, 0.96, 0.5, *[0.99] * 97])
  write_run(tmp_path, 1, [0.5, 0.5], 1_000)
  write_run(tmp_path, 2, [0.5, 0.5, 0.5, 0.99], 1_000)
  append(write_run(tmp_path, 3, [0.5, 0.5], 1_000), diverged_at(30))
  append(write_run(tmp_path, 4, [0.5, 0.99], 1_000), diverged_at(30))
  write_run(tmp_path, 5, [0.5, *[0.99] * 6], 1_000, stop_when_held=50)
  return tmp_path


@dataclasses.dataclass(frozen=True)
class LineSettings:
  """Fit a line."""

  batch_size: int = setting(4, "shape", "points a step")


@pytest.fixture
def line(monkeypatch):
  """The name of a task whose goal is a loss of at most 0.1."""
  points = jnp.arange(4.0)
  task = Task(
    name="line",
    settings=LineSettings,
    data=lambda settings, key: Data((points, points), (points, points)),
    model=lambda settings: Model(
      init=lambda key: jnp.zeros(()),
      predict=lambda slope, x: slope * x,
      loss=lambda outputs, answers: (outputs - answers) ** 2,
    ),
    source=Source(published=lambda values: {"val_loss_0.1_step": 70}),
    goals=(Goal("val_loss", 0.1, "at_most"),),
  )
  monkeypatch.setitem(TASKS, task.name, task)
  return task.name
