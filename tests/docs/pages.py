"""The pages of the site, as their code blocks."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: str) -> list[tuple[str, str]]:
  """The language and the text of each code block of a page."""
  return _BLOCK.findall((DOCS / page).read_text(encoding="utf-8"))


def code(page: str) -> list[str]:
  """The blocks in Python."""
  return [text for language, text in blocks(page) if language == "python"]
