"""Tables, in Markdown and CSV. The first row of one is its header; cells are plain text."""

import csv
import html
import io
import re
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
  header, *others = ([escaped(cell) for cell in row] for row in rows)
  return "".join(f"| {' | '.join(row)} |\n" for row in (header, ("---",) * len(header), *others))


def escaped(text: str) -> str:
  """Plain text as Markdown that shows it; an underscore within a word means nothing there.

  >>> print(escaped("<fast & new> a_b, _a_ | 2*3*4"))
  &lt;fast &amp; new&gt; a_b, \\_a\\_ \\| 2\\*3\\*4
  """
  meaning = r"[\\`*\[\]|]|(?<![^\W_])_|_(?![^\W_])"
  return re.sub(meaning, r"\\\g<0>", html.escape(text, quote=False)).replace("\n", " ")


def of_records(records: Sequence[Mapping[str, Any]]) -> str:
  """A Markdown table of texts and numbers by name; three numbers are a median and its range.

  >>> print(of_records([{"filter": "ema", "ms": [1.25, 1.2, 1.31]}, {"filter": "ma"}]), end="")
  | filter | ms |
  | --- | --- |
  | ema | 1.25 (1.2 to 1.31) |
  | ma |  |
  """
  names = _names(records)
  return markdown([names, *([_text(record.get(name)) for name in names] for record in records)])


def _text(value: Any) -> str:
  """
  >>> [_text(value) for value in (None, "ema", 12345, 0.012345, [1.25, 1.2, 1.31])]
  ['', 'ema', '12,345', '0.0123', '1.25 (1.2 to 1.31)']
  """
  if isinstance(value, list | tuple):
    median, low, high = map(_text, value)
    return f"{median} ({low} to {high})"
  if isinstance(value, float):
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
  if isinstance(value, int):
    return f"{value:,}"
  return "" if value is None else str(value)


def definitions(meanings: Mapping[str, str]) -> str:
  """What the words in a table mean, below it in Markdown.

  >>> definitions({"n": "how many."})
  '\\n* *n*: how many.\\n'
  """
  return "\n" + "".join(f"* *{word}*: {meaning}\n" for word, meaning in meanings.items())


def as_csv(records: Iterable[Mapping[str, Any]]) -> str:
  """Columns are what any record has, in the order in which they come; None is an empty cell.

  >>> as_csv([{"seed": 0, "step": None}, {"seed": 1, "step": 920, "loss": 0.5}])
  'seed,step,loss\\n0,,\\n1,920,0.5\\n'
  """
  records = list(records)
  text = io.StringIO()
  writer = csv.DictWriter(text, _names(records), lineterminator="\n")
  writer.writeheader()
  writer.writerows(records)
  return text.getvalue()


def _names(records: Iterable[Mapping[str, Any]]) -> list[str]:
  return list(dict.fromkeys(name for record in records for name in record))
