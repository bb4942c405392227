"""Pages with generated numbers; importing this enters the blocks of all of them."""

from experiments.reports.pages import (
  accelerator,
  benchmarks,
  markers,
  modular,
  neighbours,
  speed,
  systems,
)

__all__ = ["accelerator", "benchmarks", "markers", "modular", "neighbours", "speed", "systems"]
