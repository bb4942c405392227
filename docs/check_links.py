"""Looks for links of a built site that lead nowhere, and for what it would load from elsewhere.

python docs/check_links.py build/docs

A link to the project's repository must lead to a file of this checkout. Nothing is fetched.
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

from repository_links import ROOT, address


class Page(HTMLParser):
  """The places of a page, its links, and what a browser loads with it."""

  def __init__(self, text: str) -> None:
    super().__init__()
    self.places: set[str] = {"", "top"}
    self.links: list[str] = []
    self.loaded: list[str] = []
    self.feed(text)

  def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
    found = {name: value or "" for name, value in attrs}
    self.places |= {found[name] for name in ("id", "name") if name in found}
    self.links += [found["href"]] if tag == "a" and "href" in found else []
    if "src" in found or (tag == "link" and found.get("rel") in ("stylesheet", "icon")):
      self.loaded.append(found.get("src", found.get("href", "")))


def broken(site: Path) -> list[str]:
  """What is wrong, a line each."""
  files = [path for path in site.rglob("*.html") if "_static" not in path.parts]  # a theme's
  pages, found = {path: Page(path.read_text(encoding="utf-8")) for path in files}, []
  for path, page in pages.items():
    elsewhere = [link for link in page.loaded if urlsplit(link).netloc]
    found += [f"{path}: is loaded from elsewhere: {link}" for link in elsewhere]
    for link in {*page.links, *page.loaded}:
      parts = urlsplit(link)
      file = ROOT / unquote(parts.path.partition("/main/")[2])
      if link.startswith(address()) and not file.exists():
        found.append(f"{path}: no such file in the repository: {link}")
      if parts.scheme or parts.netloc:
        continue
      to = Path(unquote(urljoin(path.as_posix(), parts.path))) if parts.path else path
      if not to.is_file():
        found.append(f"{path}: leads nowhere: {link}")
      elif to in pages and unquote(parts.fragment) not in pages[to].places:
        found.append(f"{path}: no such place: {link}")
  return sorted(found)


if __name__ == "__main__":
  sys.exit("\n".join(broken(Path(sys.argv[1]).resolve())) or None)
