"""A report as one page that opens from the disk: no script, and nothing outside of it."""

import base64
import html
import string
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from experiments import tables

RESULTS = (
  "Median and range over the seeds; a run that did not get there is counted and stands behind all "
  'others. "-" is not reached, "published" the source\'s own figure.'
)
CAPTIONS = {
  "together.png": (
    "All settings",
    "In validation, median and range over the seeds, against log steps.",
  ),
  "curves.png": (
    "Curves",
    "Median and range over the seeds, against log steps. A run that ended before the others, for "
    "it held the goal or diverged, keeps its last value; one that did not finish is left out from "
    "there on.",
  ),
  "heatmap.png": (
    "Hyperparameters",
    "Median step of the first crossing, by Kaplan and Meier, over the two hyperparameters with "
    'most values: the stronger the colour, the sooner. "-" is not reached.',
  ),
}
TEMPLATE = Path(__file__).with_name("page.html")
READABLE = 0.6  # of a picture's own width; on a narrower screen it is scrolled


class How(NamedTuple):
  """How a report and its runs were made.

  Attributes:
    report: the command that made it.
    runs: theirs, each with its seeds.
    facts: names and what they are.
  """

  report: str
  runs: Sequence[tuple[str, str]]
  facts: Sequence[tuple[str, str]]


def of_report(
  title: str,
  results: tables.Rows,
  survival: tables.Rows,
  legend: Mapping[str, str],
  pictures: Mapping[str, bytes],
  how: How,
) -> str:
  """The page.

  Args:
    title: its heading too.
    results, survival: tables with their headers.
    legend: what the columns of survival are.
    pictures: PNGs by file name.
    how: it was made.
  """
  parts = [_table("Results", results), f"<p>{html.escape(RESULTS)}</p>"]
  parts += [_table("Survival", survival), _legend(legend)]
  parts += [_picture(*CAPTIONS[name], png) for name, png in pictures.items()]
  template = string.Template(TEMPLATE.read_text(encoding="utf-8"))
  return template.substitute(title=html.escape(title), body="\n".join([*parts, _how(how)]))


def _table(heading: str, rows: tables.Rows) -> str:
  """A table that scrolls alone where it is wider than the screen."""
  return (
    f'<h2>{heading}</h2><div class="wide" role="region" aria-label="{heading}" tabindex="0">'
    f"{tables.as_html(rows)}</div>"
  )


def _legend(meanings: Mapping[str, str]) -> str:
  pairs = (f"<dt>{html.escape(n)}</dt><dd>{html.escape(text)}</dd>" for n, text in meanings.items())
  return f"<dl>{''.join(pairs)}</dl>"


def _picture(heading: str, caption: str, png: bytes) -> str:
  (width,) = struct.unpack(">I", png[16:20])
  data = base64.b64encode(png).decode()
  style = f"width: min({width}px, max(100%, {READABLE * width:.0f}px))"
  return (
    f'<h2>{heading}</h2><figure><div class="wide" tabindex="0"><img alt="{heading}" '
    f'style="{style}" src="data:image/png;base64,{data}"></div>'
    f"<figcaption>{html.escape(caption)}</figcaption></figure>"
  )


def _how(how: How) -> str:
  lines = [f"{line}{f'  # seeds {seeds}' if seeds else ''}" for line, seeds in how.runs]
  facts = "".join(
    f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>"
    for name, value in how.facts
  )
  return (
    f"<h2>How it was made</h2><p>The runs:</p>{_listing(lines)}"
    f'<table class="how">{facts}</table><p>This page, from their logs:</p>{_listing([how.report])}'
  )


def _listing(lines: Sequence[str]) -> str:
  return f'<pre tabindex="0">{html.escape(chr(10).join(lines))}</pre>'
