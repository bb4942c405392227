"""What each part of the recipe is worth: one changed at a time, on −."""

from collections.abc import Mapping
from typing import Any

from experiments.studies.study import Part, Study


def _changed(**own: Any) -> Part:
  given: Mapping[str, Any] = {"method": "recipe", "operation": "sub", "steps": 400}
  full = {"seeds": 10, "operation": ["add", "sub", "mul", "div"], "steps": 1_200}
  return Part({**given, **own}, seeds=3, full=full)


RECIPE = Study(
  "recipe",
  "What is each part of the recipe worth?",
  {
    "as_it_is": _changed(),
    "clip_before": _changed(method="clip_by_mean_norm+recipe"),
    "clip_and_longer_averages": _changed(method="clip_by_mean_norm+recipe", momentum=0.8, b1=0.9),
    "filter_before": _changed(method="grokfast_ema+recipe", alpha=0.8, lamb=[0.5, 2.0]),
    "positions_do_not_decay": _changed(decay_positions=0.0),
    "decays_do_not_fall": _changed(decay_end=1.0),
    "rates_do_not_fall": _changed(rate_end=1.0),
    "half_the_decays": _changed(
      decay_matrices=0.05, decay_attention=0.25, decay_embedding=0.375, decay_positions=3.0
    ),
    "attention_like_the_matrices": _changed(rate_attention=0.18, decay_attention=0.1),
    "momentum_095": _changed(momentum=0.95),
    "b2_0999": _changed(b2=0.999),
  },
)
