"""What the page of studies says of the fork's comparison."""

from collections.abc import Mapping

from experiments.reports import tables
from experiments.reports.pages.markers import block
from experiments.reports.pages.studies.grids import (
  SIGNS,
  cells_by_operation,
  first_medians,
  grouped,
  matrix,
  ranked,
  runs_of,
)
from experiments.reports.pages.studies.ranked import FIRST, HELD, reached, spread
from experiments.reports.words import spelled

# The fork's table: one seed, first crossing within 2,000 steps.
FORKS = {
  "ema": {"add": "1,300", "sub": "1,190", "mul": "710", "div": "none"},
  "compression": {"add": "720", "sub": "1,040", "mul": "710", "div": "980"},
}
ARMS = {
  "ema": "EMA (α 0.95, λ 2, weight decay 0.005)",
  "compression": "Delayed Compression, as the fork has it",
  "latched": "Delayed Compression, latched",
  "coupled": "the same L2 from step 0, coupled",
  "decoupled": "AdamW, weight decay 1 from step 0",
}


@block("fork_table")
def fork_table() -> str:
  rows: list[tuple[str, ...]] = [("first crossing of 95 %", *SIGNS.values())]
  for part, words in ARMS.items():
    rows.append((words, *cells_by_operation("fork", part)))
    if part in FORKS:
      rows.append(("  published, one seed", *FORKS[part].values()))
  return tables.markdown(rows)


@block("fork_sustained")
def fork_sustained() -> str:
  held = {words: reached(runs_of("fork", part), HELD) for part, words in ARMS.items()}
  every = sum(len(runs_of("fork", part)) for part in ARMS)
  return f"{spelled(sum(held.values()))} of these {every} runs"


@block("fork_thresholds")
def fork_thresholds() -> str:
  return ranked(grouped("fork", "thresholds", "averaged"))


@block("fork_search_ema")
def fork_search_ema() -> str:
  runs = [r for r in runs_of("fork", "search_ema") if r.values["weight_decay"] == 0.005]
  return matrix(runs, "alpha", "lamb", "α, λ")


@block("fork_search_ema_more")
def fork_search_ema_more() -> str:
  runs = [r for r in runs_of("fork", "search_ema") if r.values["weight_decay"] == 0.01]
  return matrix(runs, "alpha", "lamb", "α, λ")


@block("fork_search_compression")
def fork_search_compression() -> str:
  runs = runs_of("fork", "search_compression")
  return matrix(runs, "threshold", "coefficient", "threshold, coefficient")


FAST_ADAMW = "baseline, optimizer adamw, learning_rate 0.003, weight_decay 1.0"


@block("fork_delay")
def fork_delay() -> str:
  l2, delayed, latched, adamw = (
    _ends(first_medians("fork", part))
    for part in ("coupled", "compression", "latched", "decoupled")
  )
  fast = spread(grouped("controls", "adamw")[FAST_ADAMW], FIRST)
  return (
    f"of {len(runs_of('fork', 'coupled'))} runs with the same L2 from step 0 {_crossed('coupled')} "
    f"cross by step 2,000 (medians by operation: {l2}); of as many with the penalty after "
    f"memorisation {_crossed('compression')} do (medians {delayed}; latched {latched}). AdamW with "
    f"weight decay 1, which waits for nothing, has medians of {adamw}, and at a learning rate of "
    f"0.003 on × {fast}"
  )


def _crossed(part: str) -> str:
  return spelled(reached(runs_of("fork", part)))


def _ends(values: Mapping[str, float | None]) -> str:
  reached = [value for value in values.values() if value is not None]
  return f"{min(reached):,} to {max(reached):,}" if reached else "none"
