"""What the pages say of the committed runs."""

import collections
import functools
import json
import math
import statistics as stats
from collections.abc import Iterable, Sequence
from typing import Any

from experiments.files import RESULTS
from experiments.reports import results, statistics, tables
from experiments.reports.pages.markers import block
from experiments.reports.read import Run, read_reference, read_runs, up_to
from experiments.reports.words import listed, spelled
from experiments.reports.write import REFERENCE, with_reference
from experiments.runs.outcomes import first_step
from experiments.tasks.task import Goal

BUDGETS = {"imdb": 4_995}  # two of its runs were begun with more
EMA, DECAY = "grokfast_ema mul", "baseline mul, weight_decay 0.005"
BESIDE = 2_000  # steps of the recorded curves of the official code


@functools.cache
def runs_of(folder: str) -> list[Run]:
  """The committed runs of a folder, up to the budget of its table."""
  return [up_to(run, BUDGETS.get(folder)) for run in read_runs(RESULTS / folder)]


def settings_of(folder: str) -> list[list[Run]]:
  """The runs of each setting; where method and weight decay vary: neither, decay, filter, both."""
  groups: dict[str, list[Run]] = {}
  for run in runs_of(folder):
    groups.setdefault(run.setting, []).append(run)
  return list(groups.values())


def modular(setting: str, figure: str = "val_95_step") -> list[Any]:
  """A figure of each seed."""
  return [run.summary[figure] for run in runs_of("modular") if run.setting == setting]


def median(steps: Iterable[float | None]) -> float:
  """Where some did not get there they stand behind all others."""
  return stats.median(math.inf if step is None else step for step in steps)


def times(ratio: float) -> str:
  """
  >>> times(9.96), times(3.92), times(7.4)
  ('ten', 'four', '7.4')
  """
  near = round(ratio)
  return spelled(near) if abs(ratio - near) < 0.1 else f"{ratio:.1f}"


def _saved(folder: str, name: str) -> Any:
  return json.loads((RESULTS / folder / f"{name}.json").read_text())


@block("modular_table")
def modular_table() -> str:
  return results.table(runs_of("modular"))


@block("modular_beside_reference")
def modular_beside_reference() -> str:
  return results.table(with_reference(runs_of("modular")), BESIDE)


@block("operands_table")
def operands_table() -> str:
  return results.table(with_reference(runs_of("operands")))


@block("modular_crossings")
def modular_crossings() -> str:
  reached = modular("baseline mul")
  there = sum(step is not None for step in reached)
  decay, *others = (
    f"{median(modular(s)):,}" for s in (DECAY, EMA, "grokfast_ma mul", "delayed_compression mul")
  )
  return (
    f"in {spelled(there)} of {spelled(len(reached))} seeds by step 50,000; with the weight decay "
    f"that the EMA run has, and no filter, at the median by step {decay}; with the EMA filter by "
    f"{others[0]}, with the MA filter by {others[1]}, with Delayed Compression by {others[2]}"
  )


@block("decay_gain")
def decay_gain() -> str:
  return times(50_000 / median(modular(DECAY)))


@block("filter_gain")
def filter_gain() -> str:
  return times(median(modular(DECAY)) / median(modular(EMA)))


@block("decay_crossing")
def decay_crossing() -> str:
  return f"{median(modular(DECAY)):,}"


@block("ema_crossing")
def ema_crossing() -> str:
  return f"{median(modular(EMA)):,}"


@block("baseline_best")
def baseline_best() -> str:
  found = [run.summary for run in runs_of("modular") if run.setting == "baseline mul"]
  first = [s["val_95_step"] for s in found if s["val_95_step"] is not None]
  others = sorted(s["best_val_accuracy"] or 0.0 for s in found if s["val_95_step"] is None)
  told = [f"{100 * others[-1]:.2f} %", *(f"{100 * best:.1f} %" for best in others[-2::-1])]
  return (
    f"{spelled(len(first))} of {spelled(len(found))} seeds has been at 95 % (first at "
    f"{min(first):,}; the paper's one seed at 39,890), and the best of the others were "
    f"{listed(told)}"
  )


@block("decay_alone")
def decay_alone() -> str:
  runs = [run for run in runs_of("modular") if run.setting == DECAY]
  there, held = (
    spelled(sum(run.summary[name] is not None for run in runs))
    for name in ("val_95_step", "val_95_sustained_step")
  )
  return (
    f"{there} of {spelled(len(runs))} seeds are at 95 % by step {runs[0].steps:,}, the median at "
    f"{decay_crossing()}, and {held} stays there"
  )


@block("memorised")
def memorised() -> str:
  return f"{median(modular('baseline mul', 'train_99_step')):,}"


@block("memorised_with_decay")
def memorised_with_decay() -> str:
  first, second = (median(modular(setting, "train_99_step")) for setting in (EMA, DECAY))
  return f"{first:,} with the filter and at {second:,} without"


@block("pace_of_runs")
def pace_of_runs() -> str:
  ema, compression = (_paces(m) for m in ("grokfast_ema", "delayed_compression"))
  low, high = _ends([*ema, *compression], "steps_per_second")
  begun = " to ".join(_ends([*ema, *compression], "compile_seconds"))
  middle = " and ".join(
    f"{stats.median(s['steps_per_second'] for s in each):.1f}" for each in (ema, compression)
  )
  return (
    f"{low} to {high} steps a second with their validations (medians {middle}) after {begun} "
    "seconds of compilation"
  )


@block("pace_of_ma")
def pace_of_ma() -> str:
  ma = _paces("grokfast_ma")
  made, begun = (" to ".join(_ends(ma, name)) for name in ("steps_per_second", "compile_seconds"))
  return f"{made}, after {begun} seconds"


def _paces(method: str) -> list[dict[str, float]]:
  return [_saved(f"modular/mul-{method}-{seed}", "summary") for seed in range(5)]


def _ends(summaries: Sequence[dict[str, float]], name: str) -> tuple[str, str]:
  values = [summary[name] for summary in summaries]
  return f"{min(values):.0f}", f"{max(values):.0f}"


@block("half_memorised")
def half_memorised() -> str:
  half = Goal("train_accuracy", 0.5)
  theirs, ours = (
    [first_step(run.records, half) for run in runs if run.setting == EMA]
    for runs in (read_reference(REFERENCE), runs_of("modular"))
  )
  found = [step for step in ours if step is not None]
  return f"{listed(map(str, theirs))}, ours at {min(found):,} to {max(found):,}"


@block("sweep_table")
def sweep_table() -> str:
  records = statistics.statistics_of(with_reference(runs_of("sweep")))
  return tables.markdown(statistics.rows(records))


@block("sweep_held")
def sweep_held() -> str:
  held = collections.Counter(
    (run.values["alpha"], run.values["lamb"]) for run in runs_of("sweep") if run.ended == "held"
  )
  told = []
  for alpha in sorted({alpha for alpha, _ in held}, reverse=True):
    counts = sorted((lamb, count) for (a, lamb), count in held.items() if a == alpha)
    (lamb, first), *more = [(f"{lamb:g}", spelled(count)) for lamb, count in counts]
    of = " of five did" if not told else ""
    rest = "".join(f" and {count} with λ {lamb}" for lamb, count in more)
    told.append(f"at α {alpha:g} {first}{of} with λ {lamb}{rest}")
  return ", ".join([*told, "and no other"])


@block("sweep_pace")
def sweep_pace() -> str:
  alone, together = (
    each["member_steps_per_second"] for each in _saved("sweep", "plan")["measured"]
  )
  end = _saved("sweep", "summary")
  return (
    f"{alone:.1f} member-steps a second one after another, {together:.1f} with all "
    f"{end['members']} side by side, so this one ran one after another. It made "
    f"{end['member_steps_per_second']:.1f} over its {end['seconds'] / 60:.0f} minutes"
  )


@block("idle_cost")
def idle_cost() -> str:
  last = {(r.seed, r.values["alpha"], r.values["lamb"]): r.last for r in runs_of("sweep")}
  members = _saved("sweep", "settings")["members"]
  steps = [last[m["seed"], m["alpha"], m["lamb"]] for m in members]
  all_, eight = (_in_waves(steps, width) for width in (len(steps), 8))
  logged = sum(steps)
  return (
    f"all {len(steps)} in one wave would train {all_:,} member-steps for the {logged:,} of the "
    f"log, {all_ / logged:.2f} times as many, and in waves of eight, in the order of the members, "
    f"{eight:,}, {eight / logged:.2f} times as many"
  )


def _in_waves(steps: Sequence[int], width: int) -> int:
  """Member-steps that are trained where each wave lasts as long as the last of its members.

  >>> _in_waves([10, 30, 20], 2), _in_waves([10, 30, 20], 1)
  (80, 60)
  """
  waves = [steps[i : i + width] for i in range(0, len(steps), width)]
  return sum(max(wave) * len(wave) for wave in waves)
