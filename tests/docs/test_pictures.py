"""The site's pictures show what the filters' formulas say, and are all there."""

import re
import sys
from typing import Any

import numpy as np
import scipy.signal

from tests.docs.pages import DOCS

sys.path.insert(0, str(DOCS))

import pictures


def test_responses_are_those_of_the_coefficients():
  figure = pictures.responses()
  remembered, gains = figure.axes
  butterworth: Any = scipy.signal.butter(2, 0.00886)
  kept = {
    "EMA": ([0.02], [1.0, -0.98], 2.0),
    "MA": (np.full(100, 0.01), [1.0], 5.0),
    "Butterworth": (*butterworth, 5.0),
  }
  assert [line.get_label().split(",")[0] for line in remembered.lines] == list(kept)
  for index, (b, a, lamb) in enumerate(kept.values()):
    _, impulse = remembered.lines[index].get_data()
    signal = np.zeros(len(impulse))
    signal[0] = 1.0
    np.testing.assert_allclose(impulse, lamb * scipy.signal.lfilter(b, a, signal), atol=2e-5)
    period, gain = gains.lines[index].get_data()
    _, response = scipy.signal.freqz(b, a, worN=2 * np.pi / np.asarray(period))
    np.testing.assert_allclose(gain, abs(1 + lamb * response), rtol=2e-3)


def test_each_picture_is_drawn_kept_and_shown():
  kept = {path.name for path in (DOCS / "images").iterdir()}
  shown = {
    name
    for page in DOCS.glob("*.md")
    for name in re.findall(r"!\[[^\]]*\]\(images/(\S+)\)", page.read_text())
  }
  assert kept == shown == set(pictures.PICTURES)
