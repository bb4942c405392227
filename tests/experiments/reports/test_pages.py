"""The pages: their numbers are generated, and generating them anew changes nothing."""

import re
import shlex

import pytest

from experiments import commands, pages, report
from experiments.fields import UsageError
from experiments.reports import write
from experiments.reports.pages import markers
from experiments.reports.pages.markers import BLOCKS, PAGES, render

PLACEHOLDERS = {
  "METHOD": "grokfast_ema", "SEED": "3", "STEPS": "100", "FOLDER": "out", "WD": "1.0",
  "SYSTEM": "modular",
}  # fmt: skip


@pytest.fixture
def page(tmp_path, monkeypatch):
  """A page of the project, alone; with a block."""
  file = tmp_path / "page.md"
  monkeypatch.setattr(markers, "PAGES", (file,))
  monkeypatch.setattr(markers, "ROOT", tmp_path)
  monkeypatch.setitem(BLOCKS, "seeds", lambda: "five seeds\n")
  return file


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.parent.name)
def test_the_pages_are_as_they_are_generated(file):
  text = file.read_text()
  assert render(text) == text


def test_every_block_is_on_a_page():
  used = {name for file in PAGES for name in re.findall(r"<!-- begin (\w+) -->", file.read_text())}
  assert used == set(BLOCKS)


def test_a_phrase_and_a_block(page):
  text = "of <!-- begin seeds -->six<!-- end --> all.\n\n<!-- begin seeds -->\nsix\n<!-- end -->\n"
  assert render(text) == (
    "of <!-- begin seeds -->five seeds<!-- end --> all.\n\n"
    "<!-- begin seeds -->\n\nfive seeds\n\n<!-- end -->\n"
  )
  assert render("no markers\n") == "no markers\n"


def test_a_phrase_may_be_wrapped_by_hand(page):
  """As long as its words are the same; no marker may begin a line, which ends a paragraph."""
  text = "of <!-- begin seeds -->five\nseeds<!-- end -->"
  assert render(text) == text
  assert render("of <!-- begin seeds -->five seeds\n<!-- end -->").endswith("seeds<!-- end -->")
  assert "\n" not in render("of <!-- begin seeds -->six\nseeds<!-- end -->")


@pytest.mark.parametrize(
  "text",
  [
    "of <!-- begin colours -->five<!-- end -->",
    "of <!-- begin seeds -->five",
    "of <!-- begin seeds --><!-- begin seeds -->five<!-- end --><!-- end -->",
    "of five<!-- end -->",
    "of <!-- begin seeds -->five<!-- end --> or <!-- begin seeds -->five",
    "of\n<!-- begin seeds -->five<!-- end -->",
    "<!-- begin seeds -->five<!-- end -->",
  ],
)
def test_wrong_markers(text, page, capsys):
  with pytest.raises(UsageError):
    render(text)
  page.write_text(text)
  assert pages.main([]) == 2
  captured = capsys.readouterr()
  (line,) = captured.err.splitlines()
  assert line.startswith("error: ")
  assert str(page) in line
  assert page.read_text() == text


def test_one_page_that_cannot_be_made_leaves_all_as_they_are(page, monkeypatch, capsys):
  wrong = page.with_name("wrong.md")
  monkeypatch.setattr(markers, "PAGES", (page, wrong))
  page.write_text("of <!-- begin seeds -->six<!-- end -->")
  wrong.write_text("<!-- end -->")
  assert pages.main([]) == 2
  assert str(wrong) in capsys.readouterr().err
  assert page.read_text() == "of <!-- begin seeds -->six<!-- end -->"


def test_the_command(page, capsys):
  stale = "of <!-- begin seeds -->six<!-- end -->"
  page.write_text(stale)
  assert pages.main(["--check"]) == 1
  assert "page.md" in capsys.readouterr().out
  assert page.read_text() == stale
  assert pages.main([]) == 0
  assert "page.md" in capsys.readouterr().out
  assert page.read_text() == "of <!-- begin seeds -->five seeds<!-- end -->"
  assert pages.main(["--check"]) == pages.main([]) == 0
  assert capsys.readouterr().out == ""
  assert [file.name for file in page.parent.iterdir()] == ["page.md"]


def commands_of(file):
  """The project's commands in a page's listings and prose, with something for what is left open."""
  text = re.sub(r"\\\n\s*", " ", file.read_text())
  text = re.sub("|".join(PLACEHOLDERS), lambda match: PLACEHOLDERS[match[0]], text)
  listed = re.findall(r"^python -m experiments\.[^\n#]*", text, re.MULTILINE)
  told = [" ".join(c.split()) for c in re.findall(r"`(python\s-m\sexperiments\.[^`]*)`", text)]
  return [shlex.split(command)[2:] for command in [*listed, *told]]


def test_the_commands_of_the_pages_are_understood(monkeypatch, tmp_path):
  """All that train or report; none is carried out."""
  monkeypatch.setattr(commands, "run", lambda given: seen.append(given))
  monkeypatch.setattr(commands, "run_sweep", lambda task, **given: seen.append(given))
  monkeypatch.setattr(write, "write", lambda *given: seen.append(given))
  monkeypatch.chdir(tmp_path)
  doors = {
    "modular": lambda words: commands.run_main("modular", words),
    "sweep": commands.sweep_main,
    "report": report.main,
  }
  seen, asked = [], 0
  for file in PAGES:
    for module, *arguments in commands_of(file):
      door = doors.get(module.removeprefix("experiments."))
      if door and "--help" not in arguments:
        asked += 1
        assert door(arguments) == 0, arguments
  assert len(seen) == asked >= 8
