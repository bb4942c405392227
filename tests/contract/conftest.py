"""Every test of the contract runs for every case in the table."""

import pytest

from tests.cases import CASES, Case


@pytest.fixture(params=CASES.values(), ids=CASES.keys())
def case(request) -> Case:
  return request.param
