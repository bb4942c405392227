"""The sections of the page on frameworks, run."""

import re
from pathlib import Path
from typing import Any

PAGE = (Path(__file__).parents[2] / "docs" / "frameworks.md").read_text()


def section(title: str) -> dict[str, Any]:
  """The names that a section's code gives, run on its own."""
  (text,) = re.findall(rf"^## {re.escape(title)}\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
  names: dict[str, Any] = {"__name__": "frameworks"}
  blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
  assert blocks
  for block in blocks:
    exec(compile(block, "frameworks.md", "exec"), names)
  return names


def table(title: str) -> list[list[str]]:
  """The rows of the table in a section, cell by cell."""
  (text,) = re.findall(rf"^## {re.escape(title)}\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
  rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
  return [[cell.strip() for cell in row] for row in rows[2:]]
