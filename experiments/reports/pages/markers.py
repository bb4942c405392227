"""Pages whose numbers are generated: what stands between two markers comes from a function.

    @block("seeds")
    def seeds():
      return "five seeds"

    All <!-- begin seeds -->five seeds<!-- end --> got there.

A begin on a line of its own makes a block, as of a table. Else it is a phrase within a line, and
stands behind a word: a comment that begins a line ends the paragraph. A phrase that differs in
white space alone is left as it is, so that long ones can be wrapped by hand.
"""

import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from experiments.fields import UsageError
from experiments.files import RESULTS, new_file

ROOT = Path(__file__).parents[3]
PAGES = (
  ROOT / "README.md",
  ROOT / "docs" / "benchmark.md",
  ROOT / "docs" / "claims.md",
  ROOT / "docs" / "grokking.md",
  ROOT / "docs" / "neighbours.md",
  ROOT / "docs" / "settings.md",
  ROOT / "docs" / "studies.md",
  ROOT / "experiments" / "README.md",
  RESULTS / "README.md",
  RESULTS / "benchmarks" / "README.md",
)
Text: TypeAlias = Callable[[], str]
BLOCKS: dict[str, Text] = {}
_MARKER = re.compile(r"<!-- (?:begin (\w+)|end) -->")


def block(name: str) -> Callable[[Text], Text]:
  """Enters a function under the name that a page's marker has."""

  def enter(text: Text) -> Text:
    BLOCKS[name] = text
    return text

  return enter


def render(text: str) -> str:
  """A page with what is between its markers made anew.

  Raises:
    UsageError: for a marker of no block, or one without its other half.
  """
  pieces = _MARKER.split(text)  # plain, name, generated, None, plain, ...
  names = pieces[1::2]
  for begin, end in itertools.zip_longest(names[::2], names[1::2], fillvalue=""):
    if begin is None:
      raise UsageError("an end marker has no begin.")
    if end is not None:
      raise UsageError(f"the marker of {begin} has no end.")
    if begin not in BLOCKS:
      raise UsageError(f"there is no block {begin}; there are {', '.join(sorted(BLOCKS))}.")
  result = pieces[0]
  for name, old, plain in zip(pieces[1::4], pieces[2::4], pieces[4::4], strict=True):
    begins_line = not result or result.endswith("\n")
    result += f"<!-- begin {name} -->{_made(name, old, begins_line)}<!-- end -->{plain}"
  return result


def _made(name: str, old: str, begins_line: bool) -> str:
  new = BLOCKS[name]().strip()
  if begins_line:
    if not old.startswith("\n"):
      raise UsageError(f"the marker of {name} begins a line: put a word before it.")
    return f"\n\n{new}\n\n"
  return old.strip() if old.split() == new.split() else new


def rewrite_all(*, check: bool = False) -> list[Path]:
  """Writes the pages anew whose text changes, once all could be made.

  Args:
    check: only look.

  Returns:
    Those that change.

  Raises:
    UsageError: for wrong markers, or logs that are missing or damaged, naming the file.
  """
  made = {page: _rendered(page) for page in PAGES}
  changed = [page for page, text in made.items() if page.read_text(encoding="utf-8") != text]
  for page in () if check else changed:
    with new_file(page) as part:
      part.write_text(made[page], encoding="utf-8")
  return changed


def _rendered(page: Path) -> str:
  try:
    return render(page.read_text(encoding="utf-8"))
  except UsageError as error:
    raise UsageError(f"{page}: {error}") from None
