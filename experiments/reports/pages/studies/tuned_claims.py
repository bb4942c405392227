"""What the page of claims says of published rankings: do they stand where all are tuned alike?"""

from typing import NamedTuple

from experiments.reports import tables
from experiments.reports.pages.markers import block
from experiments.reports.pages.studies.grids import runs_of
from experiments.reports.pages.studies.ranked import FIRST, HELD
from experiments.reports.pages.studies.scores import STUDY, compared, methods


class Claim(NamedTuple):
  """That one method is sooner than another."""

  words: str
  method: str
  other: str


CLAIMS = (
  Claim("Grokfast: the EMA filter makes Adam 44 times as soon", "ema_adam", "adam"),
  Claim("Grokfast: the MA filter makes Adam 50 times as soon", "ma_adam", "adam"),
  Claim("Grokfast: the MA filter is sooner if it begins after memorising", "two_stage", "ma_adamw"),
  Claim("The fork: Delayed Compression is as soon as the EMA filter", "compression", "ema_adam"),
  Claim("The EMA filter makes AdamW sooner", "ema_adamw", "adamw"),
  Claim("The MA filter makes AdamW sooner", "ma_adamw", "adamw"),
  Claim("The EMA filter makes Muon sooner", "ema_muon", "muon"),
  Claim("Tveit et al.: Muon is sooner than AdamW", "muon", "adamw"),
  Claim("Prieto et al.: ⊥Grad makes AdamW sooner", "orthogonal", "adamw"),
  Claim("Prieto et al.: StableMax makes AdamW sooner", "stablemax", "adamw"),
  Claim("Egalitarian descent is sooner than SGD with momentum", "egalitarian", "nesterov"),
  Claim("A learning rate of the embedding's own makes AdamW sooner", "adamw_embedding", "adamw"),
  Claim("AdEMAMix, a slow average beside Adam's momentum, is sooner", "ademamix", "adamw"),
  Claim("A higher β₁ does what a filter does", "adamw_b1", "ema_adamw"),
)


@block("claims_tuned")
def claims_tuned() -> str:
  """Of the claims whose two methods are scored: the ratio of steps, and who holds."""
  scored = methods(reference=True)
  header = "claim", "methods", "steps to 95 %, as a ratio", "hold 95 % to the end"
  rows: list[tuple[str, ...]] = [header]
  for words, method, other in CLAIMS:
    if method in scored and other in scored:
      found = compared(method, other, FIRST)
      told = f"{found}, {found.verdict}"
      rows.append((words, f"{method}, {other}", told, f"{_held(method)}, {_held(other)}"))
  return tables.markdown(rows)


def _held(name: str) -> str:
  runs = runs_of(STUDY, name)
  return f"{sum(run.summary[HELD] is not None for run in runs)} of {len(runs)}"
