"""Equations as MathML, which browsers draw by themselves: no script, no fonts, no network."""

import re
from typing import Any

from docutils.nodes import SkipNode
from docutils.utils.math.latex2mathml import tex2mathml

# Docutils puts the index of an accented letter under it.
_ACCENTED = re.compile(
  r'<munderover>\s*(<mi>\S+</mi>)\s*(.*?)\s*(<mo stretchy="false">[ˆˉ˙~→]</mo>)\s*</munderover>',
  re.DOTALL,
)


def drawn(tex: str, *, block: bool) -> str:
  """A formula in TeX as MathML."""
  mathml = tex2mathml(" ".join(tex.split()), as_block=block)
  return _ACCENTED.sub(r'<msub><mover accent="true">\1\3</mover>\2</msub>', mathml)


def _inline(writer: Any, node: Any) -> None:
  writer.body.append(f'<span class="math">{drawn(node.astext(), block=False)}</span>')
  raise SkipNode


def _block(writer: Any, node: Any) -> None:
  writer.body.append(f'<div class="math">{drawn(node.astext(), block=True)}</div>')
  raise SkipNode


def setup(app: Any) -> dict[str, bool]:
  """Called by Sphinx."""
  app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
  return {"parallel_read_safe": True, "parallel_write_safe": True}
