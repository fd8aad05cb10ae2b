"""schemathesis against the bundled models: requests made from `/openapi.json`, good and bad."""

from __future__ import annotations

import pytest

from tests.conformance.judging import SCHEMATHESIS, Court, demand

pytestmark = [pytest.mark.triton, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.mark.parametrize("check", SCHEMATHESIS.checks())
def test_schemathesis(court: Court, check: str) -> None:
    """No 5xx, no status or content that the document does not tell of."""
    demand(court.verdict(SCHEMATHESIS, check))
