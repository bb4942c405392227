"""Arrows run downward, in no circle; rooms stay small; each library has its place."""

import ast
import subprocess
import sys

import pytest

from tests.experiments import house

GRAPH = house.imports()


def test_arrows_run_downward():
  """From a room to itself or a lower storey; doors know all."""
  up = [
    f"{name} -> {other}"
    for name, others in GRAPH.items()
    for other in others
    if house.room_of(name) != house.room_of(other)
    and house.STOREYS[house.room_of(name)] <= house.STOREYS[house.room_of(other)]
  ]
  assert up == []


def test_no_circle():
  inner = {name: {o for o in others if not name.startswith(o)} for name, others in GRAPH.items()}
  assert house.circles(inner) == set()


def test_no_more_than_six_storeys():
  assert max(house.STOREYS.values()) <= 6
  assert {house.room_of(name) for name in GRAPH} == set(house.STOREYS)


def test_no_folder_is_crowded():
  for folder in {path.parent for path in house.modules().values()}:
    files = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
    assert len(files) <= 14, folder  # of the experiments themselves ten are doors


@pytest.mark.parametrize(
  ("library", "rooms"),
  [
    ("matplotlib", {"reports", "benchmarks", "studies"}),
    ("tqdm", {"terminal", "tasks", "benchmarks", "studies"}),
    ("argparse", {"terminal", "benchmarks", "studies"}),
    ("scipy", {"reports", "studies"}),
    ("filelock", {"runs"}),
    ("flax", {"tasks"}),
    ("grokfax", {"methods", "benchmarks", "studies"}),
  ],
)
def test_a_library_is_known_where_it_belongs(library, rooms):
  found = set()
  for name, path in house.modules().items():
    for node in ast.walk(ast.parse(path.read_text())):
      names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
      names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
      if any(each.split(".")[0] == library for each in names):
        found.add(house.room_of(name))
  assert found <= rooms


def test_the_library_never_imports_the_experiments():
  for path in (house.ROOT / "grokfax").rglob("*.py"):
    assert "experiments" not in path.read_text()


def test_a_circle_and_an_arrow_up_would_be_seen():
  assert house.circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == {"a", "b", "c"}
  assert house.depth({"a": {"b"}, "b": set(), "c": {"a", "b"}}) == 3
  assert house.room_of("experiments.modular") == "doors"
  assert house.room_of("experiments.runs.loop") == "runs"


def test_a_command_starts_without_what_only_a_report_needs():
  """Each of these takes a good part of a start's two seconds."""
  code = "import sys, experiments.commands, experiments.reports.figures; print(*sys.modules)"
  ran = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
  assert not {"scipy.stats", "pandas", "markdown", "tensorflow"} & set(ran.stdout.split())
