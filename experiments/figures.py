"""Pictures, always from logs: accuracy and loss against log steps, as the paper draws them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
  from matplotlib.figure import Figure

NAMES = ("accuracy.png", "loss.png")


def _axes(quantity: str, thresholds: Sequence[float]) -> tuple["Figure", Any]:
  from matplotlib.figure import Figure  # what starts a run need not wait for it

  figure = Figure(figsize=(6, 4), layout="constrained")
  axes = figure.add_subplot()
  axes.set(xscale="log", xlabel="optimization steps", ylabel=quantity)
  axes.grid(alpha=0.2)
  if quantity == "accuracy":
    axes.set_ylim(-0.02, 1.02)
    for threshold in thresholds:
      axes.axhline(threshold, color="grey", linewidth=0.8, linestyle=":")
  else:
    axes.set_yscale("log")
  return figure, axes


def column(records: Sequence[dict[str, Any]], name: str) -> list[float]:
  """One quantity over the records; what was not finite is NaN."""
  return [float("nan") if record[name] is None else record[name] for record in records]


def of_run(
  records: Sequence[dict[str, Any]], thresholds: Sequence[float] = ()
) -> dict[str, "Figure"]:
  """The pictures of one run by file name: training and validation in each.

  Args:
    records: of the run; without an accuracy there is no picture of it.
    thresholds: of accuracy, drawn as lines.
  """
  pictures = {}
  for file in NAMES:
    quantity = file.removesuffix(".png")
    if f"val_{quantity}" not in records[0]:
      continue
    figure, axes = _axes(quantity, thresholds)
    for part, label in (("train", "training"), ("val", "validation")):
      values = column(records, f"{part}_{quantity}")
      axes.plot(
        column(records, "step"), values, label=label, marker="." if len(values) == 1 else ""
      )
    axes.legend()
    pictures[file] = figure
  return pictures
