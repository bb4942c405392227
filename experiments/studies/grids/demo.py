"""The recipe beside Grokfast, one seed of each: what `make demo` shows."""

from experiments.studies.study import Part, Study

DEMO = Study(
  "demo",
  "How soon do all four operations grok with the recipe, and × with Grokfast-EMA?",
  {
    "recipe": Part(
      {
        "method": "recipe",
        "operation": ["add", "sub", "mul", "div"],
        "steps": 1_200,
        "stop_when_held": 100,
      },
      seeds=1,
      full={"seeds": 5},
    ),
    "grokfast_ema": Part(
      {"method": "grokfast_ema", "stop_when_held": 100}, seeds=1, full={"seeds": 5}
    ),
  },
  curves=True,
)
