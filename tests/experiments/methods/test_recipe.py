"""The recipe: the library's own defaults, each setting of which reaches it."""

import jax
import numpy as np
import pytest

import grokfax
from experiments.fields import UsageError, fields_of
from experiments.methods.recipe import Recipe
from experiments.runs import plan, settings
from tests.experiments.methods.test_methods import SMALL, optimizer_of, updates_of

RNG = np.random.default_rng(0)
SHAPES = {"mlp": (3, 4), "query": (3, 2), "embed": (5, 3), "pos": (2, 3), "head": (3, 5), "b": (3,)}


def tree():
  return {name: np.float32(RNG.normal(size=shape)) for name, shape in SHAPES.items()}


PARAMS, GRADIENTS = tree(), [tree() for _ in range(9)]


def updates(**own):
  return updates_of(optimizer_of(made(**own)), PARAMS, GRADIENTS)


def made(**own):
  return settings.make("modular", method="recipe", **SMALL, **own)


def test_it_is_the_library_s():
  ours, theirs = updates(), updates_of(grokfax.grouped_muon(), PARAMS, GRADIENTS)
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), ours, theirs)


OTHER = {"momentum": 0.1, "b1": 0.1, "b2": 0.1, "rate_end": 0.9, "decay_end": 0.9}
GROUP = {"mlp": "matrices", "query": "attention", "pos": "positions", "embed": "embedding"}
GROUP |= {"head": "head", "b": "rest"}


@pytest.mark.parametrize("name", fields_of(Recipe))
def test_every_setting_reaches_it(name):
  value = OTHER.get(name, made()[name] / 2)
  before, after = updates(), updates(**{name: value})
  changed = {
    leaf for b, a in zip(before, after, strict=True) for leaf in b if (b[leaf] != a[leaf]).any()
  }
  kind, _, group = name.partition("_")
  if kind in ("rate", "decay") and group not in ("steps", "end"):
    assert changed == {leaf for leaf, of in GROUP.items() if of == group}
  elif kind == "momentum":
    assert changed == {"mlp", "query"}
  else:
    assert changed


def test_its_settings_are_numbers_that_members_may_differ_in():
  assert set(fields_of(Recipe)) <= set(plan.numbers_of(made()))


@pytest.mark.parametrize("flag", ["optimizer", "learning_rate", "lr_warmup"])
def test_it_has_no_settings_of_an_optimizer(flag):
  with pytest.raises(UsageError, match=rf"--{flag.replace('_', '-')}[ :].*(recipe\.$|replaces it)"):
    made(**{flag: "adamw" if flag == "optimizer" else 0.1})
