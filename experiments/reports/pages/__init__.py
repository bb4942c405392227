"""Pages with generated numbers; importing this enters the blocks of all of them."""

from experiments.reports.pages import (
  benchmarks,
  fork,
  markers,
  modular,
  neighbours,
  speed,
  studies,
  systems,
  two_by_two,
)

__all__ = [
  "benchmarks",
  "fork",
  "markers",
  "modular",
  "neighbours",
  "speed",
  "studies",
  "systems",
  "two_by_two",
]
