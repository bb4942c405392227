"""Pages with generated numbers; importing this enters the blocks of all of them."""

from experiments.reports.pages import benchmarks, markers, modular, neighbours, speed, systems

__all__ = ["benchmarks", "markers", "modular", "neighbours", "speed", "systems"]
