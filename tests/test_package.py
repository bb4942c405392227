"""The package as a user gets it."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import grokfax
from tests.helpers import on_cpu

ROOT = Path(__file__).parent.parent


# Every public name, those of public modules with the module before them.
PUBLIC = {
  (f"{prefix}{name}"): getattr(module, name)
  for prefix, module in (
    ("", grokfax),
    ("losses.", grokfax.losses),
    ("spectrum.", grokfax.spectrum),
  )
  for name in module.__all__
  if not inspect.ismodule(getattr(module, name))
}
FUNCTIONS = {name: value for name, value in PUBLIC.items() if inspect.isfunction(value)}


def test_all_is_what_there_is():
  names = {n for n, v in vars(grokfax).items() if not n.startswith("_")}
  private = {
    "conditions",
    "filters",
    "gates",
    "geometry",
    "masks",
    "optimizers",
    "penalties",
    "resets",
  }  # whose names are handed on
  assert set(grokfax.__all__) == names - private
  for module in (grokfax.losses, grokfax.spectrum):
    defined = {
      n
      for n, v in vars(module).items()
      if getattr(v, "__module__", "").startswith(module.__name__) and not n.startswith("_")
    }
    assert set(module.__all__) == defined
  for module in (grokfax, grokfax.losses, grokfax.spectrum):
    assert list(module.__all__) == sorted(module.__all__)


@pytest.mark.parametrize("name", PUBLIC)
def test_docstring(name):
  doc = PUBLIC[name].__doc__
  summary, *rest = doc.split("\n\n")
  assert re.fullmatch(r"\S.*[.]", summary), "one line, with a full stop"
  if name in FUNCTIONS:
    assert ">>>" in doc
    assert "  Returns:" in doc
    for argument in inspect.signature(FUNCTIONS[name]).parameters:
      assert re.search(rf"^    (\*\*)?{argument}: ", doc, re.MULTILINE), argument
  else:
    assert "Attributes:" in rest[-1] or any("Attributes:" in part for part in rest)
    for field in PUBLIC[name]._fields:
      assert re.search(rf"^    {field}: ", doc, re.MULTILINE), field


API = (ROOT / "docs" / "api.md").read_text()


def test_the_api_page_has_every_public_name():
  """With its signature and the first line of its docstring, and no name beside."""
  entries = dict(re.findall(r"^### `([\w.]+)(.*?)(?=^##|\Z)", API, re.MULTILINE | re.DOTALL))
  assert set(entries) == set(PUBLIC)
  for name, entry in entries.items():
    summary = PUBLIC[name].__doc__.split("\n")[0].replace(":func:", "").replace("``", "`")
    assert summary in entry, name
    if name in FUNCTIONS:
      shown = "".join(entry.partition("`")[0].split())
      assert shown == "".join(signature(FUNCTIONS[name]).split()), name


def signature(function) -> str:
  """(a, b=1, *, c=None): the arguments without their types."""
  parameters = inspect.signature(function).parameters.values()
  bare = [p.replace(annotation=inspect.Parameter.empty) for p in parameters]
  return re.sub(r"<function (\w+) at \w+>", r"\1", str(inspect.Signature(bare)))


def test_the_library_needs_only_jax_and_optax():
  code = (
    "import sys, jax, optax; before = set(sys.modules); import grokfax; "
    "print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
  )
  out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
  third_party = set(out.stdout.split()) - set(sys.stdlib_module_names)
  assert third_party == {"grokfax"}


README = (ROOT / "README.md").read_text()


def code_of(text):
  return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


@pytest.mark.parametrize("block", code_of(README))
def test_readme_code_runs(block):
  exec(compile(block, "README.md", "exec"), {"__name__": "readme"})


def test_the_guide_s_code_runs_from_the_top_to_the_end():
  guide = (ROOT / "docs" / "guide.md").read_text()
  frameworks = re.search(r"^## In your framework\n.*?(?=^## )", guide, re.MULTILINE | re.DOTALL)
  assert frameworks, "tests/clients runs these"
  blocks = code_of(guide.replace(frameworks[0], ""))
  assert len(blocks) >= 9
  names = {"__name__": "guide"}
  for block in blocks:
    exec(compile(block, "guide.md", "exec"), names)
    if "parallel_step = " in block:
      assert_parallel_is_plain(**{n: names[n] for n in ("parallel_step", "optimizer", "params")})


def assert_parallel_is_plain(parallel_step, optimizer, params):
  """On devices with different examples, against all of them on one."""
  assert jax.device_count() == 8 or not on_cpu()
  x = jax.random.normal(jax.random.key(0), (64, 3))
  y = jnp.where(jnp.arange(64) < 48, 1.0, -1.0)[:, None]  # so that accuracy differs by device
  state = optimizer.init(params)

  def objective(params):
    prediction = x @ params["kernel"] + params["bias"][None]
    return jnp.mean((prediction - y) ** 2), jnp.mean((prediction > 0) == (y > 0))

  right = (x @ params["kernel"] > 0) == (y > 0)
  by_device = right.reshape(8, 8).mean(axis=1)
  assert by_device.min() < 0.6 < by_device.max()
  ours, our_state = parallel_step(params, state, x, y)
  (_, accuracy), grads = jax.value_and_grad(objective, has_aux=True)(params)
  updates, plain_state = optimizer.update(grads, state, params, train_accuracy=accuracy)
  plain = optax.apply_updates(params, updates)
  for one, other in zip(
    jax.tree.leaves((ours, our_state)), jax.tree.leaves((plain, plain_state)), strict=True
  ):
    np.testing.assert_allclose(one, other, rtol=1e-5)
  for leaf in jax.tree.leaves(ours):
    shards = [np.asarray(shard.data) for shard in leaf.addressable_shards]
    assert len(shards) == 8
    assert all(np.array_equal(shard, shards[0]) for shard in shards)


OTHERS = (ROOT / "docs" / "others.md").read_text()
TICKS = re.findall(r'\[✓\]\((\S+) "(\w+)"\)', OTHERS)


def test_every_tick_leads_to_its_test():
  assert len(TICKS) == OTHERS.count("✓") >= 20
  for path, name in TICKS:
    assert f"def {name}(" in (ROOT / "docs" / path).read_text(), (path, name)


def test_readme_names_the_two_commands():
  assert "make demo" in README
  assert "make test" in README
