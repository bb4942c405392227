"""Filter x weight decay x learning rate x momentum x initial scale: all 48 settings of AdamW.

The filters are the paper's; all else has two levels. So an effect is a ratio of as many runs to as
many others, which differ in that factor alone.
"""

from experiments.studies.study import Part, Study

# Of each factor, by the name of its setting, the levels.
FACTORS = {
  "method": ["baseline", "grokfast_ema", "grokfast_ma"],
  "weight_decay": [0.5, 2.0],
  "learning_rate": [1e-3, 3e-3],
  "b1": [0.9, 0.98],
  "init_scale": [0.5, 1.0],
}

FACTORIAL = Study(
  "factorial",
  "What does each factor do: filter, weight decay, learning rate, momentum, initial scale?",
  {
    "adamw": Part(
      {**FACTORS, "optimizer": "adamw", "steps": 1_500, "stop_when_held": 500},
      seeds=4,
      full={"seeds": 10, "steps": 10_000},
    )
  },
)
