"""What the pages of the studies and of the benchmark say; importing this enters their blocks."""

from experiments.reports.pages.studies import (
  ablations,
  factorial,
  fork,
  leaderboard,
  recipe,
  trajectory,
  transfer,
  tuned_claims,
  tuning,
  two_by_two,
)

__all__ = [
  "ablations",
  "factorial",
  "fork",
  "leaderboard",
  "recipe",
  "trajectory",
  "transfer",
  "tuned_claims",
  "tuning",
  "two_by_two",
]
