"""The fork's comparison and its search, and the controls that it left out.

The fork (vuciv/grokfast) has two methods on four operations, one seed each, and a search over the
settings of both. The question it leaves: is the *delay* of the penalty worth anything?
"""

from experiments.studies.study import Part, Study

OPERATIONS = ["add", "sub", "mul", "div"]
STEPS = 2_000
FULL = {"seeds": 20}

FORK = Study(
  "fork",
  "Is Delayed Compression better than the filter, and is its delay worth anything?",
  {
    "ema": Part(
      {"method": "grokfast_ema", "alpha": 0.95, "operation": OPERATIONS, "steps": STEPS}, full=FULL
    ),
    "compression": Part(
      {"method": "delayed_compression", "operation": OPERATIONS, "steps": STEPS}, full=FULL
    ),
    "latched": Part(
      {"method": "delayed_compression", "latch": True, "operation": OPERATIONS, "steps": STEPS},
      full=FULL,
    ),
    # The penalty's gradient, 0.02 w, from the first step on.
    "coupled": Part(
      {"method": "baseline", "weight_decay": 0.02, "operation": OPERATIONS, "steps": STEPS},
      full=FULL,
    ),
    "decoupled": Part(
      {
        "method": "baseline", "optimizer": "adamw", "weight_decay": 1.0, "operation": OPERATIONS,
        "steps": STEPS,
      },
      full=FULL,
    ),
    "thresholds": Part(
      {
        "method": "delayed_compression", "threshold": [0.5, 0.8, 0.9, 1.0],
        "latch": [False, True], "steps": STEPS, "eval_every": 2,
      },
      full=FULL,
    ),
    "averaged": Part(
      {"method": "delayed_compression", "accuracy_over": [10, 100], "steps": STEPS}, full=FULL
    ),
    "search_ema": Part(
      {
        "method": "grokfast_ema", "alpha": [0.8, 0.9, 0.95, 0.98], "lamb": [1.0, 2.0, 5.0],
        "weight_decay": [0.005, 0.01], "steps": STEPS, "eval_every": 5,
      },
      seeds=3,
      full={"seeds": 10, "eval_every": 1},
    ),
    "search_compression": Part(
      {
        "method": "delayed_compression", "coefficient": [0.001, 0.003, 0.01, 0.03],
        "threshold": [0.9, 0.99], "steps": STEPS, "eval_every": 5,
      },
      seeds=3,
      full={"seeds": 10, "eval_every": 1},
    ),
  },
)  # fmt: skip
