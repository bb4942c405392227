"""Equations as MathML, which browsers draw by themselves: no script, no fonts, no network."""

from typing import Any

from docutils.nodes import SkipNode
from docutils.utils.math.latex2mathml import tex2mathml


def _drawn(tex: str, block: bool) -> str:
  one_line = " ".join(tex.split())
  return tex2mathml(one_line, as_block=block)


def _inline(writer: Any, node: Any) -> None:
  writer.body.append(f'<span class="math">{_drawn(node.astext(), False)}</span>')
  raise SkipNode


def _block(writer: Any, node: Any) -> None:
  writer.body.append(f'<div class="math">{_drawn(node.astext(), True)}</div>')
  raise SkipNode


def setup(app: Any) -> dict[str, bool]:
  """Called by Sphinx."""
  app.add_html_math_renderer("mathml", inline_renderers=(_inline, None), block_renderers=(_block, None))
  return {"parallel_read_safe": True, "parallel_write_safe": True}
