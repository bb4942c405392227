"""All studies that are made of sweeps."""

from experiments.studies.grids.ablations import ABLATIONS
from experiments.studies.grids.controls import CONTROLS
from experiments.studies.grids.demo import DEMO
from experiments.studies.grids.factorial import FACTORIAL
from experiments.studies.grids.fork import FORK
from experiments.studies.grids.leaderboard import LEADERBOARD
from experiments.studies.grids.limits import LIMITS
from experiments.studies.grids.recipe import RECIPE
from experiments.studies.grids.transfer import TRANSFER
from experiments.studies.grids.two_by_two import LANGUAGE, TWO_BY_TWO

STUDIES = (
  FORK,
  TWO_BY_TWO,
  LANGUAGE,
  ABLATIONS,
  CONTROLS,
  FACTORIAL,
  LIMITS,
  LEADERBOARD,
  DEMO,
  RECIPE,
  TRANSFER,
)
