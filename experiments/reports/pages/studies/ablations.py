"""What the page of studies says of ablations, controls and limits."""

import functools
from collections.abc import Sequence

from experiments.reports import results, tables
from experiments.reports.pages.markers import block
from experiments.reports.pages.studies.grids import (
  SIGNS,
  cells_by_operation,
  grouped,
  matrix,
  ranked,
  runs_of,
)
from experiments.reports.pages.studies.ranked import DIPS, FIRST, HELD, reached, spread
from experiments.reports.words import spelled


@block("ablations_ma")
def ablations_ma() -> str:
  return matrix(runs_of("ablations", "ma_grid"), "window_size", "lamb", "w, λ")


def _ema_grid(decay: float) -> str:
  runs = [r for r in runs_of("ablations", "ema_grid") if r.values["weight_decay"] == decay]
  return matrix(runs, "alpha", "lamb", "α, λ")


block("ablations_ema_005")(functools.partial(_ema_grid, 0.005))
block("ablations_ema_01")(functools.partial(_ema_grid, 0.01))


@block("ablations_ema_without")
def ablations_ema_without() -> str:
  runs = [r for r in runs_of("ablations", "ema_grid") if r.values["weight_decay"] == 0.0]
  crossed = reached(runs)
  return f"{spelled(crossed)} of {len(runs)} runs crosses"


@block("ablations_shapes")
def ablations_shapes() -> str:
  shapes = ("ma", "blocks", "butterworth", "ema_like_ma", "delay", "slow_alone")
  return ranked(grouped("ablations", *shapes))


@block("ablations_stages")
def ablations_stages() -> str:
  rows: list[tuple[str, ...]] = [("weight decay 0", "95 %", "sustained", "published")]
  for part, words, published in (
    ("one_stage", "one stage", "2,940"),
    ("two_stages", "two stages, from step 500", "1,920"),
  ):
    runs = runs_of("ablations", part)
    rows.append((words, spread(runs, FIRST), spread(runs, HELD), published))
  return tables.markdown(rows)


CONTROLS = ("filter", "rate", "beta1", "nadam", "ademamix", "adamw")
DESCENT = ("descent", "descent_filter", "descent_nesterov")


@block("controls_adam")
def controls_adam() -> str:
  return ranked(grouped("controls", *CONTROLS))


@block("controls_descent")
def controls_descent() -> str:
  rows: list[tuple[str, ...]] = [
    ("gain at frequency 0", "plain", "EMA (.98, 2), rate / 3", "Nesterov .98, rate / 50")
  ]
  for gain in (0.1, 0.3, 1.0, 3.0):
    found = []
    for part, factor in zip(DESCENT, (1, 3, 50), strict=True):
      runs = [
        r
        for r in runs_of("controls", part)
        if abs(r.values["learning_rate"] * factor - gain) < 1e-6
      ]
      memorised = results.spread("train_99_step", [r.summary["train_99_step"] for r in runs])
      found.append(f"{memorised}; {spread(runs, FIRST)}")
    rows.append((f"{gain:g}", *found))
  return tables.markdown(rows)


@block("controls_nesterov")
def controls_nesterov() -> str:
  rows: list[tuple[str, ...]] = [
    ("Nesterov .98, learning rate 0.06, no weight decay", *SIGNS.values())
  ]
  for words, figure in (("95 %", FIRST), ("sustained", HELD), ("dips", DIPS)):
    rows.append((words, *cells_by_operation("controls", "nesterov", figure)))
  return tables.markdown(rows)


LIMITS = {"ema": "EMA", "adamw": "AdamW, decay 1", "recipe": "recipe"}


def _limits(prefixes: Sequence[str], setting: str, words: str) -> str:
  rows: list[tuple[str, ...]] = [
    (words, *(f"{name}: {what}" for name in LIMITS.values() for what in ("95 %", "held")))
  ]
  found: dict[float, list[str]] = {}
  for method in LIMITS:
    runs = [run for prefix in prefixes for run in runs_of("limits", f"{prefix}_{method}")]
    for value in sorted({run.values[setting] for run in runs}):
      group = [run for run in runs if run.values[setting] == value]
      held = sum(run.ended == "held" for run in group)
      found.setdefault(value, []).extend((spread(group, FIRST), f"{held} of {len(group)}"))
  return tables.markdown([*rows, *((f"{v:g}", *cells) for v, cells in sorted(found.items()))])


@block("limits_fraction")
def limits_fraction() -> str:
  return _limits(["fraction"], "train_fraction", "trained on")


@block("limits_p")
def limits_p() -> str:
  return _limits(["small_p", "large_p"], "p", "p")


def _part(study: str, part: str, figure: str = FIRST) -> str:
  return spread(runs_of(study, part), figure)


@block("shapes_crossings")
def shapes_crossings() -> str:
  ma, low_pass, old = (_part("ablations", part) for part in ("ma", "butterworth", "delay"))
  return f"MA {ma}, Butterworth {low_pass}, one old gradient {old}"


@block("nesterov_crossings")
def nesterov_crossings() -> str:
  first, held = (cells_by_operation("controls", "nesterov", figure) for figure in (FIRST, HELD))
  told = [f"{sign} {one}" for sign, one in zip(SIGNS.values(), first, strict=True)]
  stayed = [f"{sign} {one}" for sign, one in zip(SIGNS.values(), held, strict=True)]
  return f"{', '.join(told)}; sustained {', '.join(stayed)}"
