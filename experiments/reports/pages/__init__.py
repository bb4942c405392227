"""Pages with generated numbers; importing this enters the blocks of all of them."""

from experiments.reports.pages import (
  accelerator,
  benchmarks,
  choice,
  fork,
  markers,
  modular,
  neighbours,
  speed,
  studies,
  systems,
  trajectory,
  two_by_two,
)

__all__ = [
  "accelerator",
  "benchmarks",
  "choice",
  "fork",
  "markers",
  "modular",
  "neighbours",
  "speed",
  "studies",
  "systems",
  "trajectory",
  "two_by_two",
]
