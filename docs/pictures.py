"""Draws the site's own pictures from grokfax, into docs/images.

python docs/pictures.py
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optax
import scipy.signal
from matplotlib.figure import Figure

import grokfax

IMAGES = Path(__file__).parent / "images"
STEPS = 8_192  # of the impulse response; that of an EMA with α 0.98 is long over
CUTOFF = 0.443 / 100  # cycles a step, at which a window of 100 has lost half of the power
BUTTERWORTH: Any = scipy.signal.butter(2, 2 * CUTOFF)
FILTERS: Mapping[str, optax.GradientTransformation] = {
  "EMA, α 0.98, λ 2": grokfax.grokfast_ema(0.98, 2.0),
  "MA, window 100, λ 5": grokfax.grokfast_ma(100, 5.0),
  "Butterworth, cutoff as MA's, λ 5": grokfax.grokfast_iir(*BUTTERWORTH, lamb=5.0),
}


def responses() -> Figure:
  """What three filters remember, and by what they multiply each frequency."""
  figure = Figure(figsize=(10, 3.8), layout="constrained")
  remembered, gains = figure.subplots(1, 2)
  for name, tx in FILTERS.items():
    impulse = np.array(grokfax.spectrum.impulse_response(tx, 300))
    impulse[0] -= 1.0  # the gradient itself
    remembered.plot(impulse, label=name, linewidth=1.8)
    omega, response = grokfax.spectrum.frequency_response(tx, STEPS)
    gains.loglog(2 * np.pi / omega[1:], abs(response[1:]), linewidth=1.8)
  remembered.set(
    title="what is remembered of one gradient", xlabel="steps since", ylabel="what is added of it"
  )
  gains.set(
    title="what is amplified", xlabel="period of the gradient's swing, steps", ylabel="gain"
  )
  gains.set_yticks([1, 2, 3, 4, 6], ["1", "2", "3", "4", "6"])
  gains.minorticks_off()
  for axes in (remembered, gains):
    axes.grid(alpha=0.2)
    axes.spines[["top", "right"]].set_visible(False)
  remembered.legend(frameon=False, loc="upper right")
  return figure


PICTURES = {"responses.png": responses}


def main() -> None:
  """Draws all of them."""
  for name, draw in PICTURES.items():
    draw().savefig(IMAGES / name, dpi=110)


if __name__ == "__main__":
  main()
