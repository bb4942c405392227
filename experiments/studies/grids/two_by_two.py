"""Filter x weight decay: each alone and both, EMA and MA, coupled and decoupled.

The paper raises the weight decay in every row that has the filter; only MA on × has all four
cells. The EMA runs of MNIST, QM9 and IMDb are those of `results/mnist`, `qm9` and `imdb`.
"""

from experiments.studies.study import Part, Study

STEPS = 5_000
FULL = {"seeds": 10, "steps": 50_000}

TWO_BY_TWO = Study(
  "two_by_two",
  "How much of the gain is the filter's, and how much the weight decay's?",
  {
    "mul_ema": Part(
      {
        "method": ["baseline", "grokfast_ema"], "weight_decay": [0.0, 0.005], "steps": STEPS,
        "eval_every": 2,
      },
      full=FULL,
    ),
    "mul_ma": Part(
      {"method": "grokfast_ma", "weight_decay": [0.0, 0.01], "steps": STEPS, "eval_every": 2},
      full=FULL,
    ),
    "mul_decay": Part(
      {"method": "baseline", "weight_decay": 0.01, "steps": STEPS, "eval_every": 2}, full=FULL
    ),
    "mul_decoupled": Part(
      {
        "method": ["baseline", "grokfast_ema", "grokfast_ma"], "optimizer": "adamw",
        "weight_decay": [0.3, 1.0], "steps": 3_000, "eval_every": 2,
      },
      full={"seeds": 10},
    ),
    # Windows of the EMA's delay there: α / (1 - α) steps, which is (w - 1) / 2.
    "mnist_ma": Part(
      {
        "method": "grokfast_ma", "window_size": 9, "lamb": 0.1, "weight_decay": [0.01, 2.0],
        "steps": 100_000,
      },
      task="mnist",
    ),
    "qm9_ma": Part(
      {
        "method": "grokfast_ma", "window_size": 19, "lamb": 1.0, "weight_decay": [0.0, 0.01],
        "steps": 100_000,
      },
      task="qm9",
    ),
  },
)  # fmt: skip

# Two hours of a busy machine, so a study of its own.
LANGUAGE = Study(
  "language",
  "And on IMDb, with five seeds?",
  {
    "imdb": Part(
      {"method": ["baseline", "grokfast_ema"], "weight_decay": [1.0, 10.0], "steps": 510},
      task="imdb",
      full={"steps": 10_000},
    ),
  },
)  # fmt: skip
