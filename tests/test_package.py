"""The package as a user gets it."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import grokfax

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
    "groups",
    "masks",
    "muon",
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


def test_readme_names_the_two_commands():
  assert "make demo" in README
  assert "make test" in README
