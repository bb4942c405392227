"""Gromov's quadratic network: NumPy's answers, his analytical solution, and how soon Muon groks."""

import jax
import numpy as np
import pytest

from experiments.runs import settings
from experiments.runs.launch import parameters
from experiments.studies.trainer import Trainer
from experiments.tasks import modular


def network(p, width):
  own = modular.Settings(p=p, width=width, batch_size=16, model="quadratic")
  return modular.model(own)


def test_the_answers_are_numpys():
  model = network(7, 12)
  params = model.init(jax.random.key(0))
  x, y, _ = modular.table("add", 7)
  found = {path: np.asarray(a, np.float64) for path, a in parameters(params).items()}
  u, v, w = (found[f"{n}"] for n in ("embed_x/embedding", "embed_y/embedding", "head/kernel"))
  np.testing.assert_allclose(model.predict(params, x, y), (u[x] + v[y]) ** 2 @ w, atol=1e-6)
  assert sum(a.size for a in found.values()) == 3 * 7 * 12


@pytest.mark.parametrize(("operation", "sign"), [("add", 1), ("sub", -1)])
def test_gromovs_solution_answers_all_pairs(operation, sign):
  """Waves of random phases: the readout's phase is the sum of the other two."""
  p, width = 11, 4_000
  rng = np.random.default_rng(0)
  turns = 2 * np.pi * rng.integers(1, p, width) / p
  one, two = rng.uniform(-np.pi, np.pi, (2, width))
  n = np.arange(p)[:, None]
  model = network(p, width)
  params = model.init(jax.random.key(0))
  params["embed_x"]["embedding"].set_value(np.cos(turns * n + one))
  params["embed_y"]["embedding"].set_value(np.cos(sign * turns * n + two))
  params["head"]["kernel"].set_value(np.cos(turns * n + one + two).T)
  x, y, answer = modular.table(operation, p)
  np.testing.assert_array_equal(model.predict(params, x, y).argmax(-1), answer)


def test_muon_groks_subtraction_within_sixty_steps():
  fixed = {
    "method": "baseline", "model": "quadratic", "width": 256, "optimizer": "muon_grouped",
    "embedding_by": "muon", "head_by": "muon", "learning_rate": 0.5, "momentum": 0.8,
    "lr_warmup": 2.0, "weight_decay": 0.28, "decay_embedding": 0.28, "decay_head": 0.28,
  }  # fmt: skip
  trainer = Trainer({**fixed, "steps": 80}, {}, 1)
  (curve,) = trainer.curves([{"operation": "sub", "seed": 3}])
  assert curve[0] < 0.05  # it is not known at first
  assert np.all(curve[5:] > 0.95)


def test_heads_are_the_transformers():
  assert settings.make("modular", model="quadratic", width=130)["heads"] == 4
