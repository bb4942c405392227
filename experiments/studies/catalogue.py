"""All studies that are made of sweeps."""

from experiments.studies.ablations import ABLATIONS
from experiments.studies.controls import CONTROLS
from experiments.studies.fork import FORK
from experiments.studies.limits import LIMITS
from experiments.studies.two_by_two import TWO_BY_TWO

STUDIES = (FORK, TWO_BY_TWO, ABLATIONS, CONTROLS, LIMITS)
