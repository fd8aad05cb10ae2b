"""AIPerf against the bundled models: every endpoint type that there is a model for."""

from __future__ import annotations

import pytest

from tests.conformance.judging import AIPERF, Court, demand

pytestmark = [pytest.mark.triton, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.mark.parametrize("check", AIPERF.checks())
def test_aiperf(court: Court, check: str) -> None:
    """A few requests without an error, and counts that add up."""
    demand(court.verdict(AIPERF, check))
