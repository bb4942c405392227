"""The file that `docs/for_optax.md` offers: Optax's suite on its optimizer; its filter is ours."""

import ast
import functools
import re
import types
from pathlib import Path

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import grokfax
from tests.helpers import run
from tests.test_optax_suite import all_of_them, original_tests, suite

PAGE = (Path(__file__).parent.parent / "docs" / "for_optax.md").read_text()
SOURCE, ENTRY, NAMES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@functools.cache
def offered():
  """The module."""
  module = types.ModuleType("_grokfast")
  exec(compile(SOURCE, "docs/for_optax.md", "exec"), vars(module))
  return module


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "complex64"])
def test_the_filter_is_ours(dtype):
  rng = np.random.default_rng(0)
  gradients = [{"w": jnp.asarray(rng.normal(size=(3, 2)), dtype)} for _ in range(20)]
  params = {"w": jnp.ones((3, 2), dtype)}
  theirs, states = run(
    optax.with_extra_args_support(offered().grokfast_ema(0.9, 3.0)), gradients, params
  )
  ours, own = run(grokfax.grokfast_ema(0.9, 3.0), gradients, params)
  chex.assert_trees_all_equal_dtypes(theirs, ours)
  # Both round to the gradient's own dtype once.
  chex.assert_trees_all_close(theirs, ours, rtol=1e-2 if dtype == "bfloat16" else 1e-6)
  chex.assert_trees_all_close(states[-1].slow, own[-1].slow_gradient, rtol=1e-6)


@pytest.mark.parametrize(("test", "variations"), list(all_of_them()))
def test_optax_suite(monkeypatch, test, variations):
  entry = ast.literal_eval(ENTRY.strip().removesuffix(","))
  monkeypatch.setattr(suite, "_get_opt_factory", lambda name: getattr(offered(), name))
  for variation in variations:
    instance = suite.ContribTest()
    instance.variant = jax.jit
    original_tests()[test](instance, **entry, wrapper_name=None, wrapper_kwargs=None, **variation)


def test_every_name_is_there_and_none_is_forgotten():
  named = re.findall(r"import (\w+)", NAMES)
  public = {n for n, v in vars(offered()).items() if getattr(v, "__module__", "") == "_grokfast"}
  assert set(named) == public
  assert named == sorted(named, key=str.lower)


def test_lines_are_as_short_as_theirs():
  assert max(map(len, SOURCE.splitlines())) <= 80
