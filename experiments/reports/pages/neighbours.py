"""What the page on the neighbours says: methods on ×, blocks, sparse parity, the adder, spectra."""

import functools
import json
from collections.abc import Mapping
from typing import Any

from experiments.files import RESULTS
from experiments.reports import tables
from experiments.reports.pages.markers import block
from experiments.reports.pages.studies.ranked import DIPS, FIRST, HELD, high_median, rank, spread
from experiments.reports.read import Run, by_setting, read_runs
from experiments.reports.words import spelled

TUNED_ON = 3  # seeds of sparse parity below this were tuned on, and are not scored


@functools.cache
def runs_of(folder: str) -> list[Run]:
  """The committed runs of a folder."""
  return read_runs(RESULTS / folder)


@block("neighbours_table")
def neighbours_table() -> str:
  saved = json.loads((RESULTS / "benchmarks" / "methods-cpu.json").read_text())["rows"]
  costs = {row["setting"]: row for row in saved}
  found: list[tuple[str, ...]] = [
    ("setting", "95 %", "sustained", "dips", "ms a step", "seconds to 95 %", "arrays")
  ]
  ordered = sorted(by_setting(runs_of("neighbours")).items(), key=lambda item: rank(item[1]))
  for (setting, _), runs in ordered:
    figures = [spread(runs, name) for name in (FIRST, HELD, DIPS)]
    cost = _cost(costs.get(setting), high_median(run.summary[FIRST] for run in runs))
    found.append((setting.replace(" mul", ""), *figures, *cost))
  return tables.markdown(found)


def _cost(row: Mapping[str, Any] | None, first: float | None) -> tuple[str, str, str]:
  """Pace, seconds to the crossing and arrays; "-" for what is not measured yet, or not reached."""
  if row is None:
    return "-", "-", "-"
  pace = row["ms a step"][0]
  seconds = "-" if first is None else f"{first * pace / 1_000:.0f}"
  return f"{pace:.1f}", seconds, f"{row['state arrays']:.0f}"


@block("neighbours_seeds")
def neighbours_seeds() -> str:
  (counts,) = {len(runs) for runs in by_setting(runs_of("neighbours")).values()}
  return f"{spelled(counts)} seeds"


def _window(setting: str) -> str:
  return spread([run for run in runs_of("neighbours") if run.setting == setting], FIRST)


@block("blocks_crossings")
def blocks_crossings() -> str:
  full, tenth, fourth = (
    _window(f"grokfast_ma mul{blocks}") for blocks in ("", ", blocks 10", ", blocks 4")
  )
  return f"{full} with the full window, {tenth} with ten blocks, {fourth} with four"


@block("blocks_cost")
def blocks_cost() -> str:
  saved = json.loads((RESULTS / "benchmarks" / "filter_step_blocks-cpu.json").read_text())["rows"]
  paces = {(row["size"], row["filter"]): row["times AdamW"][0] for row in saved}
  told = [
    f"{paces[size, 'ma 100 in 10'] / paces[size, 'ma 100']:.2f} times as long with {words}"
    for size, words in (("modular", "0.4 million parameters"), ("20M", "20 million"))
  ]
  return " and ".join(told)


def _parity(k: int) -> str:
  found: list[tuple[str, ...]] = [("setting", "95 %", "sustained", "dips")]
  scored = [run for run in runs_of(f"parity{k}") if run.seed >= TUNED_ON]
  for (setting, _), runs in sorted(by_setting(scored).items(), key=lambda item: rank(item[1])):
    name = setting.replace(f", k {k}", "").replace(", eval_every 20", "")
    found.append((name, *(spread(runs, figure) for figure in (FIRST, HELD, DIPS))))
  return tables.markdown(found)


@block("parity_3")
def parity_3() -> str:
  return _parity(3)


@block("parity_5")
def parity_5() -> str:
  return _parity(5)


def _adder(folder: str) -> str:
  """Whole sums that are right, by seed: when the filter begins, and at the end of both arms."""
  arms: dict[float, dict[int, Run]] = {}
  for run in runs_of(folder):
    arms.setdefault(run.values["lamb"], {})[run.seed] = run
  found: list[tuple[str, ...]] = [
    ("seed", "when the filter begins", *(f"end, λ = {lamb:g}" for lamb in sorted(arms)))
  ]
  for seed in sorted(arms[0.0]):
    both = [arms[lamb][seed] for lamb in sorted(arms)]
    start = both[0].values["start_step"]
    (before,) = (r["val_accuracy"] for r in both[0].records if r["step"] == start)
    ends = [run.records[-1]["val_accuracy"] for run in both]
    found.append((str(seed), *(f"{100 * share:.1f} %" for share in (before, *ends))))
  return tables.markdown(found)


@block("adder_small")
def adder_small() -> str:
  return _adder("adder_small")


@block("adder_larger")
def adder_larger() -> str:
  return _adder("adder_larger")


def _rescued(folder: str) -> tuple[int, int, int]:
  """Seeds that were below 99 % when the filter began, and how many each arm brought there."""
  stuck: dict[float, list[bool]] = {}
  for run in runs_of(folder):
    before = [r["val_accuracy"] for r in run.records if r["step"] <= run.values["start_step"]]
    if before[-1] < 0.99:
      stuck.setdefault(run.values["lamb"], []).append(run.records[-1]["val_accuracy"] >= 0.99)
  plain, *filtered = (stuck[lamb] for lamb in sorted(stuck))
  return len(plain), sum(plain), sum(map(sum, filtered))


@block("adder_verdict")
def adder_verdict() -> str:
  told = []
  for folder, size in (("adder_small", "228"), ("adder_larger", "343")):
    stuck, plain, filtered = _rescued(folder)
    told.append(
      f"with {size} parameters {spelled(stuck)} seeds were below 99 % when the filter began, and "
      f"{spelled(plain)} of them got there without it and {spelled(filtered)} with it"
    )
  return "; ".join(told)


@block("spectrum_table")
def spectrum_table() -> str:
  saved = json.loads((RESULTS / "spectrum" / "shares.json").read_text())
  found: list[tuple[str, ...]] = [
    ("training", "phase", "runs", "of the power is slower than 100 steps a period")
  ]
  for arm, phases in saved.items():
    for phase, row in phases.items():
      found.append((arm, phase, str(row["runs"]), f"{100 * row['slow']:.2f} %"))
  return tables.markdown(found)
