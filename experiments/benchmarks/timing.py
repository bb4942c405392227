"""Times that can be compared: warmed up, blocked on, taken in turns within one run."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

ROUNDS = 7


class Ratio(NamedTuple):
  """How many times as long one thing takes as another, over the rounds in which both were timed."""

  median: float
  low: float
  high: float


def in_turns(
  cases: Mapping[str, Callable[[], Any]], *, seconds: float = 2.0, rounds: int = ROUNDS
) -> dict[str, list[float]]:
  """Seconds of a call of each, once a round.

  Args:
    cases: each is called, and has done all its work when it returns.
    seconds: for all of it, about; each case is called at least once a round.
    rounds: how many turns each case has.
  """
  share = seconds / (rounds * len(cases))
  calls = {}
  for name, call in cases.items():
    call()  # whatever is done only once
    begun = time.perf_counter()
    call()
    calls[name] = max(1, int(share / (time.perf_counter() - begun)))
  times: dict[str, list[float]] = {name: [] for name in cases}
  for _ in range(rounds):
    for name, call in cases.items():
      begun = time.perf_counter()
      for _ in range(calls[name]):
        call()
      times[name].append((time.perf_counter() - begun) / calls[name])
  return times


def ratio(times: Sequence[float], to: Sequence[float]) -> Ratio:
  """Round by round, for what disturbs a round disturbs both.

  >>> ratio([2.0, 9.0, 2.2], to=[1.0, 3.0, 1.0])
  Ratio(median=2.2, low=2.0, high=3.0)
  """
  each = sorted(one / other for one, other in zip(times, to, strict=True))
  return Ratio(statistics.median(each), each[0], each[-1])
