"""What the experiments' page says of adding things: its code is run, plugged in, and used."""

import json
import re
import sys
import types
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import commands, report
from experiments.methods import METHODS, OPTIMIZERS
from experiments.reports.figures import FIGURES
from experiments.reports.read import read_runs
from experiments.runs import plan, settings
from experiments.studies.grids import STUDIES
from experiments.tasks import TASKS

PAGE = Path(__file__).parents[2] / "experiments" / "README.md"
TINY = ["--p", "7", "--batch-size", "8", "--width", "16", "--heads", "2", "--layers", "1"]
SMALL = {"p": 7, "batch_size": 8, "width": 16, "heads": 2, "layers": 1}


@pytest.fixture
def page(monkeypatch):
  """The page's code, as a module, with what it adds plugged in."""
  before = dict(FIGURES)
  module = types.ModuleType("page_of_the_experiments")
  monkeypatch.setitem(sys.modules, module.__name__, module)
  for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL):
    exec(block, vars(module))
  monkeypatch.setitem(TASKS, "neuron", module.NEURON)
  for method in (module.CAPPED, module.SIGN, module.SMOOTHED):
    monkeypatch.setitem(METHODS, method.name, method)
  monkeypatch.setitem(OPTIMIZERS, "lion", module.LION)
  yield module
  FIGURES.clear()
  FIGURES.update(before)


def records_of(folder):
  return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_a_task_of_fresh_samples_with_a_loss_goal(page, tmp_path, capsys):
  """One run, stopped when it holds its goal; a sweep; its report."""
  out = tmp_path / "run"
  arguments = ["--method", "baseline", "--stop-when-held", "50", "--out", str(out)]
  assert commands.run_main("neuron", arguments) == 0
  summary = json.loads((out / "summary.json").read_text())
  assert summary["val_loss_0.05_step"] is not None
  assert summary["held_steps"] >= 50
  assert summary["steps"] < 500, "it was stopped"
  assert not (out / "accuracy.png").exists()
  assert (out / "loss.png").exists()
  assert "validation loss 0.05 at step" in capsys.readouterr().out

  out = tmp_path / "sweep"
  sweep = ["neuron", "--method", "baseline", "grokfast_ema", "--seeds", "2", "--steps", "100"]
  assert commands.sweep_main([*sweep, "--out", str(out)]) == 0
  assert len(read_runs(out)) == 4
  assert report.main([str(out), "--reference", "None"]) == 0
  assert (out / "curves.png").exists()
  losses = [r["train_loss"] for r in records_of(out) if r["member"] == 0]
  assert len(set(losses)) == len(losses) == 4


def test_a_method_after_the_optimizer(page):
  assert norm(updates_of("capped", cap=0.25)) == pytest.approx(0.25, rel=1e-5)
  assert norm(updates_of("baseline")) > 0.25


def norm(tree):
  return sum(np.sum(np.square(leaf)) for leaf in jax.tree.leaves(tree)) ** 0.5


def test_a_method_instead_of_the_optimizer(page, capsys):
  updates = updates_of("sign", rate=0.5, plain=False)
  assert {float(abs(leaf).max()) for leaf in jax.tree.leaves(updates)} == {0.5}
  assert commands.run_main("modular", [*TINY, "--method", "sign", "--b1", "0.5"]) == 2
  assert "--b1" in capsys.readouterr().err
  assert commands.run_main("modular", [*TINY, "--method", "sign", "--optimizer", "adam"]) == 2
  assert "--optimizer" in capsys.readouterr().err


def test_an_optimizer(page):
  """Lion takes signs alone; a default counts where the task's source says nothing."""
  updates = updates_of("baseline", optimizer="lion", weight_decay=0.5)
  assert all(np.all(np.asarray(leaf) == -1.0) for leaf in jax.tree.leaves(updates))
  given = {"method": "baseline", "optimizer": "lion"}
  assert settings.make("modular", **given)["b2"] == 0.98
  assert settings.make("neuron", **given)["b2"] == 0.99


def updates_of(method, plain=True, **own):
  """The second update that a method gives of gradients of ones; at the first the rate is 0."""
  large = {"learning_rate": 1.0} if plain else {}
  made = settings.make("modular", method=method, **SMALL, **large, **own)
  optimizer = plan.train_of(made).make_optimizer(plan.numbers_of(made))
  params = {"w": jnp.zeros((3, 3)), "b": jnp.zeros(3)}
  grads, state = jax.tree.map(jnp.ones_like, params), optimizer.init(params)
  updates = grads
  for _ in range(12):
    updates, state = optimizer.update(grads, state, params)
  return updates


def test_a_method_with_a_loss_of_its_own(page, capsys):
  """The loss is the method's, the accuracy the task's; other tasks have no classes."""
  made = settings.make("modular", method="grokfast_ema+smoothed", **SMALL)
  init, _ = plan.init_of(made)
  train = plan.train_of(made)
  params = train.init_params(jax.random.key(0))
  scores = train.score(params, init.split.validation)
  *inputs, labels = init.split.validation
  logits = np.asarray(TASKS["modular"].model(made.of_task).predict(params, *inputs), np.float64)
  log_probabilities = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
  targets = 0.9 * np.eye(9)[np.asarray(labels)] + 0.1 / 9
  np.testing.assert_allclose(scores["loss"], -(targets * log_probabilities).sum(-1), rtol=1e-4)
  assert commands.run_main("qm9", ["--method", "smoothed"]) == 2
  assert "--method" in capsys.readouterr().err


def test_methods_compose_on_the_command_line(page, tmp_path):
  out = tmp_path / "run"
  method = "grokfast_ema+smoothed+capped"
  assert (
    commands.run_main("modular", [*TINY, "--method", method, "--steps", "6", "--out", str(out)])
    == 0
  )
  saved = json.loads((out / "settings.json").read_text())
  assert (saved["method"], saved["alpha"], saved["cap"]) == (method, 0.98, 1.0)
  assert (out / "summary.json").exists()


def test_a_figure(page, tmp_path):
  out = tmp_path / "sweep"
  sweep = ["neuron", "--method", "baseline", "--seeds", "2", "--steps", "50"]
  assert commands.sweep_main([*sweep, "--out", str(out)]) == 0
  assert report.main([str(out), "--reference", "None"]) == 0
  assert (out / "last.png").read_bytes().startswith(b"\x89PNG")
  assert "The validation loss at the end of each run." in (out / "report.md").read_text()


def test_what_can_be_named_is_named():
  """Each task, method, optimizer and study of the command lines."""
  text = PAGE.read_text()
  known = {*TASKS, *(name for method in METHODS for name in [method.removesuffix("_two_stage")])}
  known -= {"baseline", "grokfast_ema_reset", "grokfast_ema_delayed_compression"}  # built of others
  words = set(re.findall(r"[\w-]+", text))
  assert {*known, *OPTIMIZERS} <= words
  (section,) = re.findall(r"^## Studies\n(.*?)^## ", text, re.MULTILINE | re.DOTALL)
  named = set(re.findall(r"^\| (`.*?) \|", section, re.MULTILINE))
  studies = {name for cell in named for name in re.findall(r"`(\w+)`", cell)}
  assert studies == {*(each.name for each in STUDIES), "trajectory", "spectrum"}
