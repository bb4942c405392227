"""The files around the package: workflows and forms that hosts accept, one version, one address."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import grokfax

ROOT = Path(__file__).parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
SCHEMAS = {
  ".github/workflows/*.yml": "vendor.github-workflows",
  ".github/ISSUE_TEMPLATE/[!c]*.yml": "vendor.github-issue-forms",
  ".github/ISSUE_TEMPLATE/config.yml": "vendor.github-issue-config",
  "CITATION.cff": "vendor.citation-file-format",
}


@pytest.mark.parametrize("pattern", SCHEMAS)
def test_a_schema_holds(pattern):
  files = [str(file) for file in ROOT.glob(pattern)]
  assert files
  command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", SCHEMAS[pattern]]
  ran = subprocess.run([*command, *files], capture_output=True, text=True)
  assert ran.returncode == 0, ran.stdout


def test_workflows_call_what_there_is():
  targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
  called = [
    target
    for file in ROOT.glob(".github/workflows/*.yml")
    for target in re.findall(r"run: make ([a-z-]+)", file.read_text())
  ]
  assert {"lint", "test", "test-gate", "test-floor", "docs", "wheel"} <= set(called) <= set(targets)


def test_the_version_is_the_same_everywhere():
  version = grokfax.__version__
  assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()
  newest = re.search(r"^## ([\d.]+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
  assert newest is not None
  assert newest[1] == version


def test_the_address_is_that_of_the_project():
  """Pages and notebooks name no other repository of ours than `pyproject.toml`'s."""
  address_of_project = PROJECT["urls"]["Repository"]
  owner, name = address_of_project.removeprefix("https://github.com/").split("/")
  pages = [
    *ROOT.glob("*.md"),
    *ROOT.glob("*.cff"),
    *ROOT.glob("docs/**/*.md"),
    *ROOT.glob("docs/**/*.py"),
    *ROOT.glob("experiments/**/*.md"),
    *ROOT.glob("colab/*.*"),
    *ROOT.glob(".github/**/*.yml"),
  ]
  for page in pages:
    found = re.findall(rf"github(?:\.com|/)/?([\w-]+/{name})\b", page.read_text())
    assert set(found) <= {f"{owner}/{name}"}, page
  for kind, other in PROJECT["urls"].items():
    start = f"https://{owner}.github.io/{name}" if kind == "Documentation" else address_of_project
    assert other.startswith(start), kind
  readme = PYPROJECT["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]
  found = [each["replacement"].removeprefix(r"\1") for each in readme["substitutions"]]
  raw = f"https://raw.githubusercontent.com/{owner}/{name}/main/"
  assert found == [raw, f"{address_of_project}/blob/main/"]


def test_the_extra_of_clients_has_what_the_page_on_frameworks_imports():
  page = (ROOT / "docs" / "frameworks.md").read_text()
  assert 'pip install -e ".[clients]"' in page
  imported = set(re.findall(r"^(?:import|from) (\w+)", page, re.MULTILINE))
  needed = {re.split("[><=]", line)[0] for line in PROJECT["optional-dependencies"]["clients"]}
  needed |= {re.split("[><=]", line)[0] for line in PROJECT["dependencies"]}
  named = {"dm-haiku": "haiku"}
  ours = {"grokfax", *sys.stdlib_module_names}
  assert imported - ours <= {named.get(name, name) for name in needed}


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_inside_the_project_lead_somewhere(page):
  for target in re.findall(r"\]\(([^)#]+)[^)]*\)", (ROOT / page).read_text()):
    assert target.startswith("http") or (ROOT / target).exists(), target
