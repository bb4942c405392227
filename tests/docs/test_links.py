"""Links: as files in the repository, as pages on the site; what is broken is found."""

import subprocess
import sys

import pytest

from tests.docs.pages import DOCS, ROOT

sys.path.insert(0, str(DOCS))
sys.path.insert(0, str(DOCS / "_extensions"))

import check_links
import repository_links

ADDRESS = repository_links.address()
PAGES = repository_links.pages_of()


@pytest.mark.parametrize(
  ("text", "expected"),
  [
    ("[x](guide.md#after-the-grok)", "[x](guide.md#after-the-grok)"),
    ("[x](#here), [y](https://arxiv.org/abs/1)", "[x](#here), [y](https://arxiv.org/abs/1)"),
    ("[x](../experiments/README.md#layout)", "[x](experiments.md#layout)"),
    ('[✓](../tests/helpers.py "name")', f'[✓]({ADDRESS}/blob/main/tests/helpers.py "name")'),
    ("[x](../tests/clients/)", f"[x]({ADDRESS}/tree/main/tests/clients)"),
    ("[x](../README.md#more)", f"[x]({ADDRESS}#more)"),
    ("![x](images/responses.png)", "![x](images/responses.png)"),
    ("```\n[x](../README.md)\n```\n", "```\n[x](../README.md)\n```\n"),
  ],
)
def test_a_link_of_a_page(text, expected):
  page = DOCS / "guide.md"
  assert repository_links.rewritten(text, page, page, PAGES) == expected


def test_links_of_a_text_that_is_included():
  """They begin where the text stands; what they give begins at the page that shows it."""
  file = ROOT / "experiments" / "results" / "README.md"
  text = (
    "[a](../README.md) [b](../../docs/studies.md) [c](sweep/report.html) ![d](mnist/curves.png)"
  )
  assert PAGES[file] == DOCS / "results.md"
  assert repository_links.rewritten(text, file, PAGES[file], PAGES) == (
    "[a](experiments.md) [b](studies.md) "
    f"[c]({ADDRESS}/blob/main/experiments/results/sweep/report.html) "
    "![d](../experiments/results/mnist/curves.png)"
  )


def test_a_link_to_no_file_stops_the_build():
  page = DOCS / "guide.md"
  with pytest.raises(ValueError, match=r"guide\.md: there is no \.\./nothing\.md"):
    repository_links.rewritten("[x](../nothing.md)", page, page, PAGES)


def test_what_is_broken_on_a_site_is_found(tmp_path):
  (tmp_path / "sub").mkdir()
  (tmp_path / "sub" / "b.html").write_text('<h1 id="there">b</h1><a href="../a.html#top">up</a>')
  (tmp_path / "a.html").write_text(
    '<a href="sub/b.html#there">right</a> <a href="#">itself</a> <a href="https://x.org">x</a>'
    f'<a href="{ADDRESS}/blob/main/README.md#more">right</a>'
    f'<a href="{ADDRESS}/blob/main/nothing.md">1</a> <a href="sub/c.html">2</a>'
    '<a href="sub/b.html#elsewhere">3</a> <img src="d.png"> <script src="https://x.org/y.js">'
  )
  found = [line.partition(": ")[2] for line in check_links.broken(tmp_path)]
  assert sorted(found) == [
    "is loaded from elsewhere: https://x.org/y.js",
    "leads nowhere: d.png",
    "leads nowhere: sub/c.html",
    f"no such file in the repository: {ADDRESS}/blob/main/nothing.md",
    "no such place: sub/b.html#elsewhere",
  ]
  command = [sys.executable, DOCS / "check_links.py", tmp_path]
  ran = subprocess.run(command, capture_output=True, text=True)
  assert (ran.returncode, len(ran.stderr.splitlines())) == (1, 5)
  (tmp_path / "a.html").write_text('<a href="sub/b.html">right</a>')
  assert check_links.broken(tmp_path) == []
