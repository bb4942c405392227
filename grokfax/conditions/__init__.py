"""Conditions: when a gate is open.

A condition answers at each step: `when(step, **extra_args)` gives a boolean, or
a number from 0 to 1 for a gate that opens slowly. Any function of that form will
do, and it takes `**extra_args`, for it is given the metrics of all gates. Conditions
with a memory (`latched`, `until`, `ramped`) are a pair of pure functions, as a
gradient transformation is, and live in the gate's state.
"""

from grokfax.conditions._condition import Condition, StatefulCondition, answer, with_state
from grokfax.conditions._memory import latched, ramped, until
from grokfax.conditions._plain import from_step, metric_at_least, metric_below

__all__ = [
  "Condition",
  "StatefulCondition",
  "answer",
  "from_step",
  "latched",
  "metric_at_least",
  "metric_below",
  "ramped",
  "until",
  "with_state",
]
