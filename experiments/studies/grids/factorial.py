"""Filter x weight decay x learning rate x momentum x initial scale: every combination of them.

Weight decay has three levels: none, L2 in the gradient (Adam, as the paper has it), and decoupled
(AdamW). The other factors have two: the first is the reference's, or no filter.
"""

from typing import Any

from experiments.studies.study import Part, Study

FACTORS = {
  "method": ["baseline", "grokfast_ema"],
  "learning_rate": [1e-3, 3e-3],
  "b1": [0.9, 0.98],
  "init_scale": [1.0, 0.5],
}


def _part(**decay: Any) -> Part:
  return Part({**FACTORS, **decay, "steps": 1_600}, seeds=2, full={"seeds": 10, "steps": 5_000})


FACTORIAL = Study(
  "factorial",
  "When does amplifying slow gradients help, and what else would have done it?",
  {
    "decoupled": _part(optimizer="adamw", weight_decay=1.0),
    "coupled": _part(weight_decay=0.005),
    "none": _part(weight_decay=0.0),
  },
)
