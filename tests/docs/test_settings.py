"""The chains on the page of settings are what their runs trained with; no example has another."""

import ast
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from experiments.reports.pages import choice
from experiments.runs import plan, settings
from tests.docs.pages import DOCS, ROOT, code

(SETUP,) = code("settings.md")
NUMBERS = ("optimizer", "learning_rate", "weight_decay")
STEPS = 120  # a window of 100 is full by then


def rolled_out(tx, gradients, params):
  """The parameters after these gradients, memorised all the while."""

  def step(carry, grads):
    state, params = carry
    updates, state = tx.update(grads, state, params, train_accuracy=1.0)
    return (state, optax.apply_updates(params, updates)), None

  (_, params), _ = jax.jit(lambda carry, all_: jax.lax.scan(step, carry, all_))(
    (tx.init(params), params), gradients
  )
  return params


@pytest.mark.parametrize("chain", choice.CHAINS)
def test_a_chain_is_that_of_its_runs(chain):
  (values,) = {tuple(run.values[n] for n in ("method", *NUMBERS)) for run in choice.runs_of(chain)}
  method, *numbers = values
  asked = dict(zip(NUMBERS, numbers, strict=True))
  made = settings.make("modular", method=method, **asked)
  theirs = plan.train_of(made).make_optimizer(plan.numbers_of(made))
  names = {}
  exec(SETUP, names)
  ours = optax.with_extra_args_support(eval(chain, names))
  rng = np.random.default_rng(0)
  params = {"kernel": jnp.asarray(rng.normal(size=(4, 3)), jnp.float32), "bias": jnp.ones(3)}
  gradients = jax.tree.map(
    lambda p: jnp.asarray(rng.normal(size=(STEPS, *p.shape)), jnp.float32), params
  )
  both = [rolled_out(tx, gradients, params) for tx in (ours, optax.with_extra_args_support(theirs))]
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), *both)
  moved = jnp.abs(both[0]["kernel"] - params["kernel"]).max()
  assert moved > 1e-2


def test_each_chain_has_five_seeds_of_its_own():
  found = [choice.runs_of(chain) for chain in choice.CHAINS]
  assert all(len({run.seed for run in runs}) == len(runs) == 5 for runs in found)
  settings_of = {(str(runs[0].folder), runs[0].setting) for runs in found}
  assert len(settings_of) == len(choice.CHAINS)


def examples():
  """Each text that a user copies code from, with the code in it."""
  for page in (ROOT / "README.md", *DOCS.glob("*.md")):
    if page.name not in ("settings.md", "for_optax.md"):  # its table; and not ours but Optax's
      text = page.read_text()
      yield page, text, re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)
  for path in (*(ROOT / "grokfax").rglob("*.py"), *(ROOT / "colab").glob("*.py")):
    text = path.read_text()
    docstrings = [text] if path.parent.name == "colab" else re.findall(r'"""(.*?)"""', text, re.S)
    lines = (re.findall(r"^ *(?:>>>|\.\.\.) ?(.*)$", each, re.M) for each in docstrings)
    yield path, text, [text] if path.parent.name == "colab" else ["\n".join(each) for each in lines]


def ema_before_adamw(source):
  """Whether code chains the EMA filter and AdamW."""
  for node in ast.walk(ast.parse(source)):
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "optax.chain":
      inner = {ast.unparse(n.func) for n in ast.walk(node) if isinstance(n, ast.Call)}
      if {"grokfax.grokfast_ema", "optax.adamw"} <= inner:
        return True
  return False


def test_no_example_puts_the_ema_filter_before_adamw_without_a_word():
  """By the table it does harm there; where it stands all the same, that page is named."""
  assert ema_before_adamw("optax.chain(optax.masked(grokfax.grokfast_ema(), m), optax.adamw(1e-3))")
  found = {path: text for path, text, codes in examples() if any(map(ema_before_adamw, codes))}
  assert {path.name for path in found} == {"your_model.py"}
  assert all("docs/settings.md" in text for text in found.values())
