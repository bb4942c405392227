"""Equations of the docstrings, as MathML."""

import inspect
import re
import sys

import pytest

from tests.docs.pages import DOCS
from tests.test_package import PUBLIC

sys.path.insert(0, str(DOCS / "_extensions"))

import mathml


def drawn(tex, block=False):
  return "".join(mathml.drawn(tex, block=block).split()).partition(">")[2]


def test_an_index_stands_beside_an_accented_letter():
  hat = '<moveraccent="true"><mi>g</mi><mostretchy="false">ˆ</mo></mover>'
  assert drawn(r"\hat g_t") == drawn(r"\hat{g}_t") == f"<msub>{hat}<mi>t</mi></msub></math>"
  assert drawn("x^2") == "<msup><mi>x</mi><mn>2</mn></msup></math>"
  assert "<munder>" in drawn(r"\sum_k h_k \hat g_t", block=True)


FORMULAS = [
  tex
  for value in PUBLIC.values()
  for tex in re.findall(r"\.\. math::\n\n((?: {2}.*\n)+)", inspect.cleandoc(value.__doc__))
]


@pytest.mark.parametrize("tex", FORMULAS)
def test_an_equation_of_a_docstring_is_understood(tex):
  shown = mathml.drawn(tex, block=True)
  assert "\\" not in shown


def test_there_are_equations():
  assert len(FORMULAS) >= 12
