"""Pages with generated numbers; importing this enters the blocks of all of them."""

from experiments.reports.pages import (
  accelerator,
  benchmarks,
  choice,
  markers,
  modular,
  neighbours,
  speed,
  studies,
  systems,
)

__all__ = [
  "accelerator",
  "benchmarks",
  "choice",
  "markers",
  "modular",
  "neighbours",
  "speed",
  "studies",
  "systems",
]
