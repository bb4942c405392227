"""What the page of claims says of published rankings: do they stand where all are tuned alike?"""

from typing import NamedTuple

from experiments.reports import tables
from experiments.reports.pages.markers import block
from experiments.reports.pages.studies.grids import runs_of
from experiments.reports.pages.studies.ranked import FIRST, HELD, share
from experiments.reports.pages.studies.scores import RECIPE, STUDY, methods, told


class Claim(NamedTuple):
  """That one method is sooner than another; whose claim it is, "" where it is only asked."""

  words: str
  source: str
  method: str
  other: str


CLAIMS = (
  Claim("the EMA filter makes Adam sooner, 44 times", "Grokfast", "ema_adam", "adam"),
  Claim("the MA filter makes Adam sooner, 50 times", "Grokfast", "ma_adam", "adam"),
  Claim(
    "the MA filter is sooner if it waits a number of steps", "Grokfast", "two_stage", "ma_adamw"
  ),
  Claim("the MA filter is sooner if it waits until all is memorised", "", "gate_opens", "ma_adamw"),
  Claim("the MA filter is sooner if it stops once all is memorised", "", "gate_closes", "ma_adamw"),
  Claim("the EMA filter is sooner if it forgets once all is memorised", "", "reset", "ema_adamw"),
  Claim("Delayed Compression is sooner than the EMA filter", "its fork", "compression", "ema_adam"),
  Claim("the EMA filter makes AdamW sooner", "", "ema_adamw", "adamw"),
  Claim("the MA filter makes AdamW sooner", "", "ma_adamw", "adamw"),
  Claim("the EMA filter makes Muon with two rates sooner", "", "ema_muon", "muon_two_rates"),
  Claim("the MA filter makes Muon with two rates sooner", "", "ma_muon", "muon_two_rates"),
  Claim("Muon is sooner than AdamW", "Tveit et al.", "muon", "adamw"),
  Claim("Muon is sooner with a rate of the matrices' own", "", "muon_two_rates", "muon"),
  Claim("a cap on norms makes Muon with two rates sooner", "", "capped", "muon_two_rates"),
  Claim("the recipe is sooner than Muon with two rates", "ours", RECIPE, "muon_two_rates"),
  Claim("the recipe is sooner than that with a cap", "ours", RECIPE, "capped"),
  Claim("⊥Grad makes AdamW sooner", "Prieto et al.", "orthogonal", "adamw"),
  Claim("StableMax makes AdamW sooner", "", "stablemax", "adamw"),
  Claim("egalitarian descent is sooner than Nesterov's momentum", "", "egalitarian", "nesterov"),
  Claim("a rate of the embedding's own makes AdamW sooner", "", "adamw_embedding", "adamw"),
  Claim("a β₁ that is searched too makes AdamW sooner", "", "adamw_b1", "adamw"),
  Claim("a norm that is projected is sooner than weight decay", "", "projected", "adamw"),
  Claim("AdEMAMix is sooner than AdamW", "", "ademamix", "adamw"),
  Claim("NAdam is sooner than Adam", "", "nadam", "adam"),
)
VERDICTS = {"better": "stands", "worse": "the other way round"}


@block("claims_tuned")
def claims_tuned() -> str:
  """Of the claims whose two methods are scored: the ratio of steps, who crosses, and who holds."""
  scored = methods(reference=True)
  header = "claim", "whose", "steps to 95 %, as a ratio", "verdict"
  rows: list[tuple[str, ...]] = [(*header, "runs that cross", "runs that hold it")]
  for words, source, method, other in CLAIMS:
    if method in scored and other in scored:
      ratio, _, verdict = told(method, other, FIRST).rpartition(", ")
      runs = [runs_of(STUDY, name) for name in (method, other)]
      there = (", ".join(share(each, figure) for each in runs) for figure in (FIRST, HELD))
      rows.append((words, source, ratio, VERDICTS.get(verdict, verdict), *there))
  return tables.markdown(rows)
