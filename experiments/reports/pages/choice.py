"""What the page on choosing says: chains on × with what they did, and what the sources ran."""

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.reports import tables
from experiments.reports.pages import modular, neighbours
from experiments.reports.pages.markers import block
from experiments.reports.pages.studies import grids
from experiments.reports.pages.studies.ranked import DIPS, FIRST, HELD, rank, spread
from experiments.reports.read import Run
from experiments.reports.words import spelled
from experiments.runs import settings

ADAMW = {"optimizer": "adamw", "weight_decay": 1.0}
# Each chain as one writes it, where its runs are, and by which settings they are told from others;
# `rate` rises to 1e-3 over the first ten steps, `faster` to 3e-3.
CHAINS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
  "optax.adamw(faster, b2=0.98, weight_decay=1.0)": (
    "controls/adamw", {"method": "baseline", "learning_rate": 3e-3}
  ),
  "optax.adamw(rate, b2=0.98, weight_decay=1.0)": (
    "two_by_two/mul_decoupled", {"method": "baseline", **ADAMW}
  ),
  "optax.chain(grokfax.grokfast_ma(), optax.adamw(rate, b2=0.98, weight_decay=1.0))": (
    "two_by_two/mul_decoupled", {"method": "grokfast_ma", **ADAMW}
  ),
  "optax.chain(grokfax.grokfast_ema(), optax.adamw(rate, b2=0.98, weight_decay=1.0))": (
    "two_by_two/mul_decoupled", {"method": "grokfast_ema", **ADAMW}
  ),
  "grokfax.grokfast_ma_adam(rate)": (
    "two_by_two/mul_ma", {"method": "grokfast_ma", "weight_decay": 0.01}
  ),
  "optax.chain(grokfax.grokfast_ma(), optax.adam(rate, b2=0.98))": (
    "two_by_two/mul_ma", {"method": "grokfast_ma", "weight_decay": 0.0}
  ),
  "grokfax.grokfast_adam(rate)": (
    "two_by_two/mul_ema", {"method": "grokfast_ema", "weight_decay": 0.005}
  ),
  "grokfax.adam_l2(rate, weight_decay=0.005)": (
    "two_by_two/mul_ema", {"method": "baseline", "weight_decay": 0.005}
  ),
  "grokfax.delayed_compression_adam(rate)": ("modular", {"method": "delayed_compression"}),
  "optax.chain(grokfax.orthogonal_gradient(), optax.adam(rate, b2=0.98))": (
    "neighbours", {"method": "orthogonal_gradient"}
  ),
  "optax.adam(rate, b2=0.98)": ("modular", {"method": "baseline", "weight_decay": 0.0}),
}  # fmt: skip
SHOWN = ("alpha", "window_size", "lamb", "coefficient", "threshold")
SOURCES = {
  "modular": ("grokfast_ema", "grokfast_ma", "delayed_compression"),
  "mnist": ("grokfast_ema",),
  "qm9": ("grokfast_ema",),
  "imdb": ("grokfast_ema",),
}


def runs_of(chain: str) -> Sequence[Run]:
  """The committed runs of a chain."""
  return _chosen(*CHAINS[chain])


def _chosen(place: str, wanted: Mapping[str, Any]) -> Sequence[Run]:
  study, _, part = place.partition("/")
  every = {"modular": modular.runs_of, "neighbours": neighbours.runs_of}.get(place)
  runs = every(place) if every else grids.runs_of(study, part)
  return [run for run in runs if all(run.values[k] == v for k, v in wanted.items())]


@block("chains_table")
def chains_table() -> str:
  rows: list[tuple[str, ...]] = [("chain", "steps run", "95 %", "sustained", "dips")]
  for chain in sorted(CHAINS, key=lambda chain: rank(runs_of(chain))):
    runs = runs_of(chain)
    figures = (spread(runs, name) for name in (FIRST, HELD, DIPS))
    rows.append((f"`{chain}`", f"{runs[0].steps:,}", *figures))
  return tables.markdown(rows).replace("\\`", "`")


# The front page's: words, where the runs are and by what they are told from others there, and the
# first crossing that their source has. The picture above the table shows the same runs.
FRONT: tuple[tuple[str, tuple[str, Mapping[str, Any]], str], ...] = (
  ("Adam, the paper's baseline", CHAINS["optax.adam(rate, b2=0.98)"], "39,890"),
  ("Adam, weight decay 0.005", ("modular", {"method": "baseline", "weight_decay": 0.005}), ""),
  ("Grokfast-EMA, Adam, weight decay 0.005", ("modular", {"method": "grokfast_ema"}), "910"),
  ("Grokfast-MA, Adam, weight decay 0.01", ("modular", {"method": "grokfast_ma"}), "790"),
  ("Delayed Compression, Adam", CHAINS["grokfax.delayed_compression_adam(rate)"], "710"),
  ("AdamW, weight decay 1", CHAINS["optax.adamw(rate, b2=0.98, weight_decay=1.0)"], ""),
  (
    "the same at three times the rate",
    CHAINS["optax.adamw(faster, b2=0.98, weight_decay=1.0)"], "",
  ),
  (
    "Grokfast-MA, AdamW, weight decay 1",
    CHAINS["optax.chain(grokfax.grokfast_ma(), optax.adamw(rate, b2=0.98, weight_decay=1.0))"], "",
  ),
)  # fmt: skip


@block("front_table")
def front_table() -> str:
  rows: list[tuple[str, ...]] = [
    ("", "published, one seed", "seeds", "steps run", "95 %", "sustained", "dips")
  ]
  for words, place, published in FRONT:
    runs = _chosen(*place)
    figures = (spread(runs, name) for name in (FIRST, HELD, DIPS))
    rows.append((words, published, str(len(runs)), f"{runs[0].steps:,}", *figures))
  return tables.markdown(rows)


@block("chains_seeds")
def chains_seeds() -> str:
  (count,) = {len(runs_of(chain)) for chain in CHAINS}
  return spelled(count)


@block("sources_settings")
def sources_settings() -> str:
  rows: list[tuple[str, ...]] = [
    ("task", "method", "its settings", "optimizer", "learning rate", "weight decay")
  ]
  for task, methods in SOURCES.items():
    for method in methods:
      made = settings.make(task, method=method)
      shown = [f"{name} {made[name]:g}" for name in SHOWN if name in made.values]
      rest = (made["optimizer"], f"{made['learning_rate']:g}", f"{made['weight_decay']:g}")
      rows.append((task, method, ", ".join(shown), *rest))
  return tables.markdown(rows)
