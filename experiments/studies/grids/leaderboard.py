"""Tuned against tuned: the benchmark's methods, each with the settings that were found for it."""

from experiments.studies.contenders import CONTENDERS
from experiments.studies.study import Part, Study

LEADERBOARD = Study(
  "leaderboard",
  "Which method groks soonest, and stays there, if each is tuned alike?",
  {
    name: Part(
      {**each.given, "operation": ["add", "sub", "mul", "div"], "steps": 1_200},
      seeds=each.seeds,
      full={"seeds": max(10, 2 * each.seeds)},
    )
    for name, each in CONTENDERS.items()
    if each.tuned is not None
  },
  by_part=True,
)
