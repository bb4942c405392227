"""Losses in place of the task's."""

import grokfax
from experiments.methods.method import Method

STABLEMAX = Method("stablemax", loss=grokfax.losses.stablemax_cross_entropy)
