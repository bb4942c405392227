"""What is left of Grokfast when the gain at frequency 0 and the momentum are matched.

Before plain descent the filter is to first order a learning rate times 1 + λ, and Nesterov's
momentum is the zero-started EMA with λ = α / (1 - α). Adam does not see the scale of a gradient,
so there the controls are its momentum, its learning rate and its weight decay.
"""

from experiments.studies.study import Part, Study

STEPS = 2_000
FULL = {"seeds": 20}
OURS = {"steps": STEPS}
RATES = [0.1, 0.3, 1.0, 3.0]  # of plain descent

CONTROLS = Study(
  "controls",
  "What is left of Grokfast when gain and momentum are matched?",
  {
    "filter": Part({"method": "grokfast_ema", **OURS}, full=FULL),
    "rate": Part(
      {"method": "baseline", "learning_rate": 3e-3, "weight_decay": [0.0, 0.005], **OURS}, full=FULL
    ),
    "beta1": Part(
      {"method": "baseline", "b1": [0.9, 0.95, 0.98], "weight_decay": 0.005, **OURS}, full=FULL
    ),
    "nadam": Part(
      {
        "method": "baseline", "optimizer": "nadam", "b1": [0.9, 0.98], "weight_decay": 0.005, **OURS
      },
      full=FULL,
    ),
    "ademamix": Part(
      {
        "method": "baseline", "optimizer": "ademamix", "b3": [0.98, 0.999], "ademamix_alpha": 2.0,
        "weight_decay": 1.0, **OURS,
      },
      full=FULL,
    ),
    "adamw": Part(
      {
        "method": ["baseline", "grokfast_ema"], "optimizer": "adamw", "learning_rate": [1e-3, 3e-3],
        "weight_decay": 1.0, **OURS,
      },
      full=FULL,
    ),
    "descent": Part(
      {
        "method": "baseline", "optimizer": "sgd", "momentum": 0.0, "learning_rate": RATES,
        "weight_decay": 0.0, "steps": STEPS, "eval_every": 5,
      },
      seeds=3,
      full={"seeds": 10, "steps": 20_000},
    ),
    "descent_filter": Part(
      {
        "method": "grokfast_ema", "optimizer": "sgd", "momentum": 0.0,
        "learning_rate": [rate / 3 for rate in RATES], "weight_decay": 0.0, "steps": STEPS,
        "eval_every": 5,
      },
      seeds=3,
      full={"seeds": 10, "steps": 20_000},
    ),
    "descent_nesterov": Part(
      {
        "method": "baseline", "optimizer": "sgd", "momentum": 0.98,
        "learning_rate": [rate / 50 for rate in RATES], "weight_decay": 0.0, "steps": STEPS,
        "eval_every": 5,
      },
      seeds=3,
      full={"seeds": 10, "steps": 20_000},
    ),
    # What came of the last: the largest of those rates, on every operation.
    "nesterov": Part(
      {
        "method": "baseline", "optimizer": "sgd", "momentum": 0.98, "learning_rate": 0.06,
        "weight_decay": 0.0, "operation": ["add", "sub", "mul", "div"], **OURS,
      },
      full=FULL,
    ),
  },
)  # fmt: skip
