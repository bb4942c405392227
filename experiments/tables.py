"""Tables, in Markdown, HTML and CSV. The first row of one is its header."""

import csv
import html
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

Rows: TypeAlias = Sequence[Sequence[str]]


def markdown(rows: Rows) -> str:
  """
  >>> print(markdown([("n", "step"), ("5", "1,280")]), end="")
  | n | step |
  | --- | --- |
  | 5 | 1,280 |
  """
  header, *others = rows
  return "".join(f"| {' | '.join(row)} |\n" for row in (header, ("---",) * len(header), *others))


def definitions(meanings: Mapping[str, str]) -> str:
  """What the words in a table mean, below it in Markdown.

  >>> definitions({"n": "how many."})
  '\\n* *n*: how many.\\n'
  """
  return "\n" + "".join(f"* *{word}*: {meaning}\n" for word, meaning in meanings.items())


def as_html(rows: Rows) -> str:
  """
  >>> as_html([("n",), ("<5",)])
  '<table><thead><tr><th>n</th></tr></thead><tbody><tr><td>&lt;5</td></tr></tbody></table>'
  """
  header, *others = rows
  body = "".join(_row(row, "td") for row in others)
  return f"<table><thead>{_row(header, 'th')}</thead><tbody>{body}</tbody></table>"


def _row(cells: Sequence[str], tag: str) -> str:
  return f"<tr>{''.join(f'<{tag}>{html.escape(cell)}</{tag}>' for cell in cells)}</tr>"


def as_csv(records: Iterable[Mapping[str, Any]]) -> str:
  """Columns are what any record has, in the order in which they come; None is an empty cell.

  >>> as_csv([{"seed": 0, "step": None}, {"seed": 1, "step": 920, "loss": 0.5}])
  'seed,step,loss\\n0,,\\n1,920,0.5\\n'
  """
  records = list(records)
  names = list(dict.fromkeys(name for record in records for name in record))
  text = io.StringIO()
  writer = csv.DictWriter(text, names, lineterminator="\n")
  writer.writeheader()
  writer.writerows(records)
  return text.getvalue()
