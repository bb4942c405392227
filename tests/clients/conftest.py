"""Frameworks add a bias of one axis to a batch of two: here that is allowed."""

import jax
import pytest


@pytest.fixture(autouse=True)
def rank_promotion():
  with jax.numpy_rank_promotion("allow"):
    yield
