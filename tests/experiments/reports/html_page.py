"""A report's page, taken apart."""

import base64
import collections
import html.parser


def data_uri(picture):
  return f"data:image/png;base64,{base64.b64encode(picture.read_bytes()).decode()}"


class Page(html.parser.HTMLParser):
  """Holds that what is opened is closed; collects texts by tag, pictures, what is referred to.

  Attributes:
    texts: what stands in each element, by its tag.
    pictures: their sources.
    references: all that is referred to.
    tags: how often each occurs.
    loose: tables, listings and pictures that do not scroll alone.
  """

  VOID = ("meta", "img")

  def __init__(self, text):
    super().__init__()
    self.texts = collections.defaultdict(list)
    self.pictures, self.references, self.loose = [], [], []
    self.tags = collections.Counter()
    self._open = []
    self.feed(text)
    self.close()
    assert self._open == []

  def handle_starttag(self, tag, attrs):
    attributes = dict(attrs)
    self.tags[tag] += 1
    if tag in ("table", "pre", "img") and not any("wide" in style for _, style, _ in self._open):
      self.loose.append(tag)
    self.references += [value for name, value in attrs if name in ("src", "href", "srcset")]
    if tag == "img":
      self.pictures.append(attributes["src"])
    if tag not in self.VOID:
      scrolls = attributes.get("class", "") if "tabindex" in attributes else ""
      self._open.append((tag, scrolls, []))

  def handle_endtag(self, tag):
    opened, _, parts = self._open.pop()
    assert opened == tag
    text = "".join(parts)
    self.texts[tag].append(text)
    if self._open:
      self._open[-1][2].append(text)

  def handle_data(self, data):
    if self._open:
      self._open[-1][2].append(data)
