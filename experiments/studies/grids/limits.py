"""Where it stops: the fraction that is trained on, and the modulus."""

from experiments.studies.study import Part, Study

STEPS = 4_000
FULL = {"seeds": 10, "steps": 20_000}
EMA = {"method": "grokfast_ema"}
DECAY = {"method": "baseline", "optimizer": "adamw", "weight_decay": 1.0}
FRACTIONS = [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
SMALL, LARGE = [23], [47, 113, 211]  # moduli; the small one has no batch of 512


def _each(name, **given):
  """A part for the filter, one for weight decay alone, and one for the recipe, seen more often."""
  common = {**given, "steps": STEPS, "stop_when_held": 500}
  return {
    f"{name}_ema": Part({**EMA, **common}, seeds=3, full=FULL),
    f"{name}_adamw": Part({**DECAY, **common}, seeds=3, full=FULL),
    f"{name}_recipe": Part({"method": "recipe", **common, "eval_every": 1}, seeds=3, full=FULL),
  }


LIMITS = Study(
  "limits",
  "With how little data, and for which moduli, does it grok?",
  {
    **_each("fraction", train_fraction=FRACTIONS, eval_every=5),
    **_each("small_p", p=SMALL, batch_size=128, eval_every=20),
    **_each("large_p", p=LARGE, eval_every=2),
  },
)
