"""The package as a user gets it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import grokfax

ROOT = Path(__file__).parent.parent


def test_all_is_what_there_is():
  public = {n for n, v in vars(grokfax).items() if not n.startswith("_") and not _is_module(v)}
  assert set(grokfax.__all__) == public
  assert list(grokfax.__all__) == sorted(grokfax.__all__)


def _is_module(value):
  return type(value).__name__ == "module"


def test_public_functions_have_docstrings_with_examples():
  for name in grokfax.__all__:
    value = getattr(grokfax, name)
    assert value.__doc__, name
    if not isinstance(value, type):
      assert ">>>" in value.__doc__, name


def test_the_library_needs_only_jax_and_optax():
  code = (
    "import sys, jax, optax; before = set(sys.modules); import grokfax; "
    "print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
  )
  out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
  third_party = set(out.stdout.split()) - set(sys.stdlib_module_names)
  assert third_party == {"grokfax"}


README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("block", re.findall(r"```python\n(.*?)```", README, re.DOTALL))
def test_readme_code_runs(block):
  exec(compile(block, "README.md", "exec"), {"__name__": "readme"})


def test_readme_names_the_two_commands():
  assert "make demo" in README
  assert "make test" in README
