"""The pages of the API: in the repository lists of names, on the site their docstrings."""

import inspect
import re
from operator import attrgetter
from typing import Any

import grokfax

# A line for those who read the list where it is not rendered.
REPOSITORY_ONLY = re.compile(r"<!-- in the repository -->.*?<!-- end -->\n*", re.DOTALL)
NAME = re.compile(r"^\* `grokfax\.([\w.]+)`$", re.MULTILINE)
_LIST = re.compile(r"(?:^\* `grokfax\.[\w.]+`\n)+", re.MULTILINE)


def rendered(text: str) -> str:
  """A page's text with directives where its names stand.

  >>> print(rendered("* `grokfax.gate`\\n* `grokfax.GateState`\\n"))
  ```{eval-rst}
  .. autofunction:: grokfax.gate
  .. autoclass:: grokfax.GateState
  ```
  <BLANKLINE>
  """

  def directives(match: re.Match[str]) -> str:
    lines = [f".. auto{_kind(name)}:: grokfax.{name}\n" for name in NAME.findall(match[0])]
    return f"```{{eval-rst}}\n{''.join(lines)}```\n"

  return _LIST.sub(directives, REPOSITORY_ONLY.sub("", text))


def _kind(name: str) -> str:
  return "function" if inspect.isfunction(attrgetter(name)(grokfax)) else "class"


def _read(app: Any, docname: str, source: list[str]) -> None:
  if docname.partition("/")[0] == "api":
    source[0] = rendered(source[0])


def setup(app: Any) -> dict[str, bool]:
  """Called by Sphinx."""
  app.connect("source-read", _read)
  return {"parallel_read_safe": True, "parallel_write_safe": True}
