"""What the page of studies says of filter x weight decay: on ×, and on the other systems."""

from collections.abc import Sequence

from experiments.reports import tables
from experiments.reports.pages.markers import block
from experiments.reports.pages.modular import settings_of
from experiments.reports.pages.studies.grids import runs_of
from experiments.reports.pages.studies.ranked import FIRST, HELD, spread
from experiments.reports.read import Run, by_setting

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


MNIST, QM9, IMDB = "val_85_step", "best_val_batch_loss", "best_val_accuracy"


def _with_filter(name: str) -> list[list[Run]]:
  """Of a system and its part with another filter: neither, decay alone, that filter, both."""
  neither, decay, *_ = settings_of(name)
  groups = by_setting(runs_of("two_by_two", f"{name}_ma"))
  return [neither, decay, *groups.values()]


@block("two_by_two_systems")
def two_by_two_systems() -> str:
  language = list(by_setting(runs_of("language", "imdb")).values())
  rows: list[tuple[str, ...]] = [
    ("system, figure", "seeds", "neither", "decay alone", "filter alone", "both")
  ]
  for name, figure, groups in (
    ("MNIST, EMA (0.8, 0.1): steps to 85 %", MNIST, settings_of("mnist")),
    ("MNIST, MA (9, 0.1)", MNIST, _with_filter("mnist")),
    ("QM9, EMA (0.9, 1): lowest validation loss", QM9, settings_of("qm9")),
    ("QM9, MA (19, 1)", QM9, _with_filter("qm9")),
    ("IMDb, EMA (0.98, 2), 510 steps: best validation accuracy", IMDB, language),
    ("IMDb, EMA, 4,995 steps", IMDB, settings_of("imdb")),
  ):
    cells = (spread(group, figure) for group in groups)
    rows.append((name, str(len(groups[0])), *cells))
  return tables.markdown(rows)
