"""Geometry: the direction and the norm of a gradient, and the norm of the parameters.

What acts on the gradient stands before the optimizer. What acts on the norm of the parameters
stands last in a chain, for it sees the parameters as they will be.
"""

from grokfax.geometry._clip import MeanNormState, clip_by_mean_norm
from grokfax.geometry._gradient import egalitarian_gradient, orthogonal_gradient
from grokfax.geometry._norm import ParamsNormState, cap_params_norm, project_params_norm

__all__ = [
  "MeanNormState",
  "ParamsNormState",
  "cap_params_norm",
  "clip_by_mean_norm",
  "egalitarian_gradient",
  "orthogonal_gradient",
  "project_params_norm",
]
