"""The paper's ablations: the filters' settings, two stages, the slow part alone, other low passes.

A λ of a million leaves Adam, which does not see the scale of a gradient, the slow part alone.
"""

from experiments.studies.study import Part, Study

STEPS = 2_000
ALONE = 1e6
FULL = {"seeds": 10, "eval_every": 1}

ABLATIONS = Study(
  "ablations",
  "Which settings of the filter matter, and is it the low pass or its delay?",
  {
    "ma_grid": Part(
      {
        "method": "grokfast_ma", "window_size": [2, 5, 10, 20, 50, 100, 200],
        "lamb": [1.0, 2.0, 5.0, 10.0], "steps": STEPS, "eval_every": 5,
      },
      seeds=3,
      full=FULL,
    ),
    "ema_grid": Part(
      {
        "method": "grokfast_ema", "alpha": [0.8, 0.9, 0.95, 0.98, 0.99], "lamb": [1.0, 2.0, 5.0],
        "weight_decay": [0.0, 0.005, 0.01], "steps": STEPS, "eval_every": 5,
      },
      seeds=3,
      full=FULL,
    ),
    "one_stage": Part(
      {"method": "grokfast_ma", "weight_decay": 0.0, "steps": 4_000, "eval_every": 2},
      full={"seeds": 10},
    ),
    "two_stages": Part(
      {"method": "grokfast_ma_two_stage", "weight_decay": 0.0, "steps": 4_000, "eval_every": 2},
      full={"seeds": 10},
    ),
    "slow_alone": Part(
      {
        "method": ["grokfast_ma", "grokfast_ema"], "lamb": ALONE, "weight_decay": 0.0,
        "steps": STEPS, "eval_every": 5,
      },
      full={"seeds": 10, "steps": 10_000},
    ),
    "ma": Part({"method": "grokfast_ma", "steps": STEPS}, full={"seeds": 10}),
    "blocks": Part({"method": "grokfast_ma", "blocks": 10, "steps": STEPS}, full={"seeds": 10}),
    "ema_like_ma": Part(
      {"method": "grokfast_ema", "lamb": 5.0, "weight_decay": 0.01, "steps": STEPS},
      full={"seeds": 10},
    ),
    "butterworth": Part(
      {"method": "grokfast_butterworth", "weight_decay": 0.01, "steps": STEPS}, full={"seeds": 10}
    ),
    "delay": Part(
      {"method": "grokfast_delay", "weight_decay": 0.01, "steps": STEPS}, full={"seeds": 10}
    ),
  },
)  # fmt: skip
