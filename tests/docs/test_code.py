"""The pages' code runs from the top to the end; ticks lead to tests; every name is in the API."""

import re
import sys
import tomllib

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tests.docs.pages import DOCS, ROOT, code
from tests.helpers import on_cpu
from tests.test_package import FUNCTIONS, PUBLIC

sys.path.insert(0, str(DOCS / "_extensions"))

import api_names

SITE = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Documentation"]
# Those of errors.md, frameworks.md and for_optax.md have tests of their own.
PAGES = ("benchmark.md", "guide.md", "filters.md", "index.md", "pytorch.md", "settings.md")


@pytest.mark.parametrize("page", PAGES)
def test_the_code_of_a_page_runs(page):
  blocks = code(page)
  assert len(blocks) >= (9 if page == "guide.md" else 1)
  assert (page == "guide.md") == any("parallel_step = " in block for block in blocks)
  names = {"__name__": page}
  for block in blocks:
    exec(compile(block, page, "exec"), names)
    if "parallel_step = " in block:
      assert_parallel_is_plain(**{n: names[n] for n in ("parallel_step", "optimizer", "params")})


def test_no_page_s_code_is_forgotten():
  tested = {*PAGES, "errors.md", "frameworks.md", "for_optax.md"}
  assert {page.name for page in DOCS.glob("*.md") if code(page.name)} == tested


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


OTHERS = (DOCS / "others.md").read_text()
TICKS = re.findall(r'\[✓\]\((\S+) "(\w+)"\)', OTHERS)


def test_every_tick_leads_to_its_test():
  assert len(TICKS) == OTHERS.count("✓") >= 20
  for path, name in TICKS:
    assert f"def {name}(" in (DOCS / path).read_text(), (path, name)


def test_the_api_has_every_public_name_once():
  """A plain list in the repository; on the site each under the directive of its kind."""
  found = []
  for page in sorted((DOCS / "api").glob("*.md")):
    text, shown = page.read_text(), api_names.rendered(page.read_text())
    assert f"{SITE}/api/{page.stem}.html)" in text
    assert "site" not in shown
    own = re.findall(r"^\.\. auto(\w+):: grokfax\.([\w.]+)$", shown, re.M)
    assert [name for _, name in own] == api_names.NAME.findall(text)
    found += [(name, directive) for directive, name in own]
  expected = {(name, "function" if name in FUNCTIONS else "class") for name in PUBLIC}
  assert len(found) == len(set(found))
  assert set(found) == expected
