"""Every test of the contract runs for every case in the table, or for one of each kind."""

import pytest

from tests.cases import CASES, Case
from tests.contract.tools import make_gradients, make_params, run_case


@pytest.fixture(params=CASES, scope="session")
def case(request) -> Case:
  return CASES[request.param]


@pytest.fixture(scope="session")
def bare(case):
  """The updates and states of the case alone, on the tests' parameters and gradients."""
  return run_case(case, make_gradients(), make_params())
