"""Links that work in both places: in the repository, as files, and on the site.

Pages link to files by their paths. On the site a link to a file that is a page leads to that page,
one to any other file of the repository to the public address. Pictures are found where they lie.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
_FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?P<picture>!?)(?P<text>\[[^\]]*\])\((?P<path>[^)#\s]+)(?P<rest>[^)]*)\)")
_INCLUDED = re.compile(r"^```\{include\} (\S+)$", re.MULTILINE)


def address(root: Path = ROOT) -> str:
  """The repository's public address, as `pyproject.toml` has it."""
  return tomllib.loads((root / "pyproject.toml").read_text())["project"]["urls"]["Repository"]


def pages_of(docs: Path = DOCS) -> dict[Path, Path]:
  """The site's page of each file that is shown: itself, or that which includes it."""
  pages = {}
  for page in docs.rglob("*.md"):
    pages[page] = page
    for included in _INCLUDED.findall(page.read_text(encoding="utf-8")):
      pages[(page.parent / included).resolve()] = page
  return pages


def rewritten(
  text: str, file: Path, page: Path, pages: Mapping[Path, Path], root: Path = ROOT
) -> str:
  """A text with its links as the site has them.

  Args:
    text: in Markdown.
    file: where it stands, and its links begin.
    page: the page that shows it.
    pages: see `pages_of`.
    root: the repository's.
  """

  def link(match: re.Match[str]) -> str:
    if re.match(r"\w+:", match["path"]):
      return match[0]
    target = (file.parent / match["path"]).resolve()
    if target in pages or match["picture"]:
      to = os.path.relpath(pages.get(target, target), page.parent)
    elif target.exists():
      kind = "tree" if target.is_dir() else "blob"
      path = target.relative_to(root).as_posix()
      # The front page of the repository is its README.
      to = address(root) if path == "README.md" else f"{address(root)}/{kind}/main/{path}"
    else:
      raise ValueError(f"{file}: there is no {match['path']}")
    return f"{match['picture']}{match['text']}({to}{match['rest']})"

  pieces = _FENCE.split(text)
  pieces[::2] = [_LINK.sub(link, piece) for piece in pieces[::2]]
  return "".join(pieces)


def _read(app: Any, docname: str, source: list[str]) -> None:
  page = Path(app.srcdir) / f"{docname}.md"
  source[0] = rewritten(source[0], page, page, app.config.pages_of_files)


def _included(app: Any, relative_path: Path, docname: str, content: list[str]) -> None:
  file = (Path(app.srcdir) / relative_path).resolve()
  pages = app.config.pages_of_files
  content[0] = rewritten(content[0], file, pages.get(file, DOCS / f"{docname}.md"), pages)


def setup(app: Any) -> dict[str, bool]:
  """Called by Sphinx."""
  app.add_config_value("pages_of_files", pages_of(Path(app.srcdir)), "", dict)
  app.connect("source-read", _read)
  app.connect("include-read", _included)
  return {"parallel_read_safe": True, "parallel_write_safe": True}
