"""What the page of studies says of filter x weight decay on ×."""

from collections.abc import Sequence

from experiments.reports import tables
from experiments.reports.pages.markers import block
from experiments.reports.pages.studies.grids import runs_of
from experiments.reports.pages.studies.ranked import FIRST, HELD, spread
from experiments.reports.read import Run

# Of each row the cells: part, method and weight decay of neither, decay alone, filter alone, both.
_NEITHER = ("mul_ema", "baseline", 0.0)
_EMA, _MA = ("mul_ema", "grokfast_ema", 0.0), ("mul_ma", "grokfast_ma", 0.0)
_DECAY = ("mul_decoupled", "baseline", 1.0)
ROWS = {
  "EMA (0.98, 2), Adam, weight decay 0.005": (
    _NEITHER, ("mul_ema", "baseline", 0.005), _EMA, ("mul_ema", "grokfast_ema", 0.005)
  ),
  "MA (100, 5), Adam, weight decay 0.01": (
    _NEITHER, ("mul_decay", "baseline", 0.01), _MA, ("mul_ma", "grokfast_ma", 0.01)
  ),
  "EMA, AdamW, weight decay 1": (
    _NEITHER, _DECAY, _EMA, ("mul_decoupled", "grokfast_ema", 1.0)
  ),
  "MA, AdamW, weight decay 1": (
    _NEITHER, _DECAY, _MA, ("mul_decoupled", "grokfast_ma", 1.0)
  ),
}  # fmt: skip


def _runs(part: str, method: str, decay: float) -> Sequence[Run]:
  every = runs_of("two_by_two", part)
  return [r for r in every if (r.values["method"], r.values["weight_decay"]) == (method, decay)]


def _table(figure: str) -> str:
  rows: list[tuple[str, ...]] = [
    ("×, 5,000 steps; with AdamW both 3,000", "neither", "decay alone", "filter alone", "both")
  ]
  for name, cells in ROWS.items():
    rows.append((name, *(spread(_runs(*cell), figure) for cell in cells)))
  return tables.markdown(rows)


@block("two_by_two_first")
def two_by_two_first() -> str:
  return _table(FIRST)


@block("two_by_two_sustained")
def two_by_two_sustained() -> str:
  return _table(HELD)
