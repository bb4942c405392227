"""The house as its imports show it: rooms, arrows, storeys.

    python -m tests.experiments.house [ROOT]

prints lines, files, storeys and imports of the experiments in a checkout.
"""

import ast
import functools
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = "experiments"
# From the bottom; a room imports from those of lower storeys only.
STOREYS = {
  "leaves": 1,
  "tasks": 2, "methods": 2, "training": 2,
  "runs": 3,
  "reports": 4,
  "terminal": 4,
  "benchmarks": 5,
  "doors": 5,
  "studies": 6,
}  # fmt: skip


def modules(root: Path = ROOT) -> dict[str, Path]:
  """The experiments' modules by name."""
  return {
    ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((root / PACKAGE).rglob("*.py"))
  }


def imports(root: Path = ROOT) -> dict[str, set[str]]:
  """Which modules of the experiments each of them imports, also within functions."""
  known = modules(root)
  found = {}
  for name, path in known.items():
    taken = set()
    for node in ast.walk(ast.parse(path.read_text())):
      if isinstance(node, ast.Import):
        taken |= {alias.name for alias in node.names}
      elif isinstance(node, ast.ImportFrom) and node.module:
        inner = {f"{node.module}.{alias.name}" for alias in node.names}
        taken |= {each if each in known else node.module for each in inner}
    found[name] = (taken & known.keys()) - {name, PACKAGE}
  return found


def room_of(module: str) -> str:
  """The room of a module: its folder; of those in none the leaves, the terminal, or a door."""
  place = "".join(module.split(".")[1:2])
  if place in ("fields", "files", "start"):
    return "leaves"
  return place if place in STOREYS else "doors"


def circles(graph: Mapping[str, set[str]]) -> set[str]:
  """The modules that import themselves by way of others."""

  def reached(start):
    seen, left = set(), set(graph[start])
    while left:
      seen |= left
      left = set().union(*(graph[name] for name in left)) - seen
    return seen

  return {name for name in graph if name in reached(name)}


def depth(graph: Mapping[str, set[str]]) -> int:
  """Modules on the longest way of imports."""

  @functools.cache
  def below(name):
    return 1 + max((below(other) for other in graph[name]), default=0)

  return max(map(below, graph))


def main(root: Path = ROOT) -> None:
  """Prints the figures."""
  graph = imports(root)
  lines = {name: len(path.read_text().splitlines()) for name, path in modules(root).items()}
  folders: dict[Path, int] = {}
  for path in modules(root).values():
    folders[path.parent] = folders.get(path.parent, 0) + (path.name != "__init__.py")
  print(
    f"lines {sum(lines.values()):,}; files {len(lines)}; most in one folder {max(folders.values())}"
  )
  rooms, circle = {room_of(name) for name in graph}, circles(graph)
  way = "endless" if circle else depth(graph)
  print(f"imports {sum(map(len, graph.values()))}; in circles {len(circle)}")
  print(f"modules on the longest way {way}; rooms {len(rooms)}")


if __name__ == "__main__":
  main(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT)
