"""The guide's sections on frameworks, run."""

import re
from pathlib import Path
from typing import Any

GUIDE = (Path(__file__).parents[2] / "docs" / "guide.md").read_text()


def section(title: str) -> dict[str, Any]:
  """The names that a section's code gives, run on its own."""
  (text,) = re.findall(
    rf"^### {re.escape(title)}\n(.*?)(?=^##|\Z)", GUIDE, re.MULTILINE | re.DOTALL
  )
  names: dict[str, Any] = {"__name__": "guide"}
  blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
  assert blocks
  for block in blocks:
    exec(compile(block, "guide.md", "exec"), names)
  return names
