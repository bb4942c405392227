"""A tiny method of the benchmark, to be searched in a second."""

from experiments.studies.spaces import Space

FIXED = {
  "method": "baseline",
  "optimizer": "adamw",
  "p": 7,
  "batch_size": 8,
  "width": 16,
  "heads": 2,
  "layers": 1,
  "steps": 9,
}
SPACE: Space = {"learning_rate": (1e-3, 1e-1, True), "b1": (0.5, 0.9, False)}
