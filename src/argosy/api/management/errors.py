"""How the management routes word their errors: problem details (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus

import msgspec
import orjson

from argosy.core import errors as core

PREFIX = "/api/"
_NOT_STANDARD = {499: "Client Closed Request"}


class Problem(msgspec.Struct, frozen=True):
    """Every error of these routes; `code`, `param` and `request_id` are members of our own."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    param: str | None
    request_id: str


class ProblemDetails:
    """One JSON object with the status' name as its title and the sentence as its detail."""

    media_type = b"application/problem+json"

    def body(self, error: core.ArgosyError, status: int, request_id: str) -> bytes:
        """The problem as JSON."""
        return orjson.dumps(
            {
                # The code says more than a URL that leads nowhere would.
                "type": "about:blank",
                "title": _NOT_STANDARD.get(status) or HTTPStatus(status).phrase,
                "status": status,
                "detail": error.message,
                "instance": f"urn:argosy:request:{request_id}",
                "code": error.code,
                "param": error.param,
                "request_id": request_id,
            }
        )


ERRORS = ProblemDetails()
