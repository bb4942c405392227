"""What the page on speed says of its targets, and of what the profile shows."""

from collections.abc import Sequence

from experiments.reports.pages.benchmarks import (
  ADAMW,
  FORMS,
  STEPS,
  TORCH,
  again,
  pace,
  parts,
  rows,
  state_over_least,
  step,
  time_to_95,
  told,
)
from experiments.reports.pages.markers import block
from experiments.reports.words import listed, spelled


def _met(holds: bool) -> str:
  return "met" if holds else "not met"


def _more(filter: str, figure: str, digits: int, where: str = "") -> str:
  """The further runs' medians."""
  found = again(filter, figure)
  medians = listed(f"{median:.{digits}f}" for median in found)
  return f"medians of {spelled(len(found))} more runs {where}{medians}"


@block("target_ema")
def target_ema() -> str:
  medians = [step("ema", ADAMW)[0], *again("ema", ADAMW)]
  edge = min(medians) <= 1.5 < max(medians)
  return (
    f"{told(step('ema', ADAMW))} in a scan, {told(step('ema', ADAMW, form='jit'))} as calls; "
    f"{_more('ema', ADAMW, 2)} | {'on the edge' if edge else _met(max(medians) <= 1.5)}; 1.35 is "
    f"{_met(max(medians) <= 1.35)}"
  )


@block("target_ma")
def target_ma() -> str:
  large, small = step("ma 100", ADAMW), step("ma 100", ADAMW, "modular")
  return (
    f"{told(large)} at 20 M, {_more('ma 100', ADAMW, 2)}; {told(small)} at 0.4 M | "
    f"{_met(max(large[0], small[0], *again('ma 100', ADAMW)) <= 3)}"
  )


@block("target_windows")
def target_windows() -> str:
  small = [step(f"ma {window}", ADAMW, "modular")[0] for window in (10, 100, 1000)]
  large = [step(f"ma {window}", ADAMW)[0] for window in (10, 100)]
  apart = 100 * (max(small) / min(small) - 1)
  return (
    f"{_listed(small)} times AdamW at 0.4 M, in a scan: within {apart:.1f} %; at 20 M "
    f"{_listed(large)}, and 1000 does not fit | {_met(apart <= 10)}"
  )


def _listed(values: Sequence[float]) -> str:
  return listed(f"{value:.2f}" for value in values)


@block("target_torch")
def target_torch() -> str:
  (small, small_calls), (large, large_calls) = (
    [step("ma 100", TORCH, size, form)[0] for form in FORMS] for size in ("modular", "20M")
  )
  at_20m = "and" if min(large, *again("ma 100", TORCH)) >= 12 else "not"
  return (
    f"{small:.0f} times at 0.4 M, {large:.1f} at 20 M, in a scan; "
    f"{_more('ma 100', TORCH, 1, 'there ')}; as calls {small_calls:.0f} and {large_calls:.1f} | "
    f"{_met(small >= 12)} at 0.4 M in a scan, {at_20m} at 20 M"
  )


@block("target_state")
def target_state() -> str:
  most = max(row["over the least"] for row in rows("memory"))
  return f"{state_over_least()} for all | {_met(most <= 1.05)}"


@block("target_pace")
def target_pace() -> str:
  return f"{told(pace('float32'))} | {_met(pace('float32')[0] >= 3)}"


@block("target_bfloat16")
def target_bfloat16() -> str:
  return f"{told(pace('bfloat16'))} | {_met(pace('bfloat16')[0] >= 4.5)}"


def _start(who: str, target: float) -> str:
  median, low, high = time_to_95(who)["first look"]
  return f"{median:.1f} s ({low:.1f} to {high:.1f}) | {_met(median <= target)}"


@block("target_cold")
def target_cold() -> str:
  return _start("ours, cold", 5)


@block("target_warm")
def target_warm() -> str:
  return _start("ours, warm", 1.5)


@block("bandwidth")
def bandwidth() -> str:
  name = "bandwidth, GB/s"
  found = [row[name] for row in rows(*STEPS, "filter_step_again") if name in row]
  return f"between {min(found):.0f} and {max(found):.0f} GB/s"


def _adamw() -> list[tuple[str, dict, dict]]:
  """AdamW alone, of each size and form: the size, its row in float32 and that in bfloat16."""
  found = parts(rows(*STEPS), "filter", "size", "form", "dtype")
  return [
    (size, row, found[filter, size, form, "bfloat16"][0])
    for (filter, size, form, dtype), (row, *_) in found.items()
    if filter == "adamw" and dtype == "float32"
  ]


@block("bfloat16_times")
def bfloat16_times() -> str:
  ratios = [round(narrow["ms a step"] / wide["ms a step"]) for _, wide, narrow in _adamw()]
  return f"{spelled(min(ratios))} to {spelled(max(ratios))} times"


@block("bfloat16_in_torch")
def bfloat16_in_torch() -> str:
  shares = [f"{narrow[TORCH][0]:.1f}" for size, _, narrow in _adamw() if size != "modular"]
  return " to ".join(dict.fromkeys((min(shares), max(shares))))


COMPILE, BUSY = "trace and compile", "trace and compile, core-seconds"


@block("start_cold")
def start_cold() -> str:
  busy = rows("start_up")[0][BUSY][0]
  return (
    f"tracing and compiling take {busy:.1f} core-seconds, so that two cores need {busy / 2:.1f} "
    "seconds"
  )


@block("start_floor")
def start_floor() -> str:
  """What is not compiling takes its time, and two cores halve what is."""
  cold = {name: value[0] for name, value in rows("start_up")[0].items() if isinstance(value, list)}
  least = cold["all"] - cold[COMPILE] + cold[BUSY] / 2
  return f"the floor is {least:.1f} seconds for this program, and it took {cold['all']:.1f}"


@block("start_warm")
def start_warm() -> str:
  warm = rows("start_up")[1]
  return (
    f"take {warm[COMPILE][0]:.1f} seconds, nearly all of it Python ({warm[BUSY][0]:.1f} "
    "core-seconds)"
  )


@block("ring_of_bfloat16")
def ring_of_bfloat16() -> str:
  """Now, and as bits before: both measured in turns on one machine, 0.4 M parameters in a scan."""
  now, bits = (
    parts(rows(name), "form", "filter") for name in ("filter_step_ring", "filter_step_ring_bits")
  )

  def one(filter):
    return " against ".join(told(by[("scan", filter)][0][ADAMW]) for by in (now, bits))

  return f"MA of 100 {one('ma 100')}, FIR of 10 {one('fir 10')} times AdamW"
