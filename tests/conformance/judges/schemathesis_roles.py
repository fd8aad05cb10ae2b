"""H9: schemathesis in every role on a server with keys: no key, a key, an operator's key."""

from __future__ import annotations

import sys
from typing import Any

from tests.conformance.judges.checking import main, refused
from tests.conformance.judges.schemathesis_routes import (
    LOADED,
    PAGES,
    operations,
    ordered,
    patient,
    published,
    reach,
    tried,
    without_waiting_jobs,
)

PLAIN_KEY = "plain-0123456789abcdef"
OPERATOR_KEY = "operator-0123456789abcdef"
_HEALTH = ("/v1/health/", "/v2/health/")
_OPERATORS = ("/v2/repository/", "/api/v1/")
_PHASES = "examples,fuzzing"
_EXAMPLES = 1


def check_without_a_key(root: str) -> None:
    """Without a key every route but health refuses, whatever is sent, and as the document says; so does that itself."""
    refused(lambda: published(root), "401")
    document = _document(root)
    taken = _taken(tried(root, document, _EXAMPLES, phases="fuzzing"))
    assert taken == {path for path in document["paths"] if path.startswith(_HEALTH)}, taken


def check_with_a_key(root: str) -> None:
    """With a key that is no operator's every route takes some request, repository and management apart."""
    document = _document(root)
    taken = _taken(tried(root, document, _EXAMPLES, phases=_PHASES, key=PLAIN_KEY))
    assert taken == {path for path in document["paths"] if not path.startswith(_OPERATORS)}, taken


def check_with_an_operators_key(root: str) -> None:
    """With an operator's key every route takes some request; models are loaded and unloaded by names of none."""
    document, original = _document(root), published(root, OPERATOR_KEY)
    for path in LOADED:
        document["paths"][path] = original["paths"][path]
    for _, _, operation in operations(document):
        for parameter in operation.get("parameters", ()):
            patient(parameter)
    taken = _taken(tried(root, document, _EXAMPLES, phases=_PHASES, key=OPERATOR_KEY))
    without_waiting_jobs(root, OPERATOR_KEY)
    assert taken == document["paths"].keys() - {*LOADED}, taken


def _document(root: str) -> dict[str, Any]:
    """Every route but the pages of jobs, with requests that reach a model, or a job."""
    document = published(root, OPERATOR_KEY)
    for path in PAGES:
        del document["paths"][path]
    job = ordered(root, OPERATOR_KEY)
    for path, _, operation in operations(document):
        reach(document, path, operation, job)
    return document


def _taken(report: dict[str, Any]) -> set[str]:
    """The paths that answered some request with success; each has one method."""
    return {
        operation.partition(" ")[2]
        for operation, phases in report["valid_rates"].items()
        if any(phase["accepted"] for phase in phases.values())
    }


if __name__ == "__main__":
    main(sys.modules[__name__])
