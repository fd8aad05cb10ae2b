"""H9: schemathesis against the bundled models, in every role: requests made from `/openapi.json`, good and bad."""

from __future__ import annotations

import pytest

from tests.conformance.judging import ROLES, SCHEMATHESIS, Court, demand

pytestmark = [pytest.mark.triton, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.mark.parametrize("check", SCHEMATHESIS.checks())
def test_schemathesis(court: Court, check: str) -> None:
    """H9: no 5xx, no status or content that the document does not tell of, for an operator on a server without keys."""
    demand(court.verdict(SCHEMATHESIS, check))


@pytest.mark.parametrize("check", ROLES.checks())
def test_schemathesis_in_every_role(court: Court, check: str) -> None:
    """H9: the same on a server with keys, for callers without one, with one, and with an operator's."""
    demand(court.verdict(ROLES, check))
