"""How the rerank routes word their errors."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import orjson

from argosy.api.http.errors import DoubleShape, nearest
from argosy.api.http.routes import ErrorDetail
from argosy.core import errors as core

_TYPES: Mapping[type[core.ArgosyError], str] = {
    core.RequestError: "invalid_request_error",
    core.Unauthenticated: "authentication_error",
    core.PermissionDenied: "permission_error",
    core.DeadlineExceeded: "timeout_error",
    core.Unavailable: "service_unavailable_error",
    core.ArgosyError: "server_error",
}

# The values of TEI's `ErrorType`.
_TEI_TYPES: Mapping[type[core.ArgosyError], str] = {
    core.RequestError: "Validation",
    core.Overloaded: "Overloaded",
    core.Unavailable: "Unhealthy",
    core.ArgosyError: "Backend",
}


class RerankError(msgspec.Struct, frozen=True):
    """What Cohere's clients read (`message`), Jina's (`detail`) and OpenAI's (`error`)."""

    message: str
    detail: str
    error: ErrorDetail
    type: str
    param: str | None
    code: int
    request_id: str


class TeiError(msgspec.Struct, frozen=True):
    """What TEI's clients read, and `message` for everybody else."""

    error: str
    error_type: str
    message: str
    param: str | None
    request_id: str


class _Cohere(DoubleShape):
    """The double shape with Jina's `detail`."""

    def body(self, error: core.ArgosyError, status: int, request_id: str) -> bytes:
        """The error as JSON."""
        return orjson.dumps({**orjson.loads(super().body(error, status, request_id)), "detail": error.message})


class _Tei:
    """TEI's flat form."""

    media_type = b"application/json"

    def body(self, error: core.ArgosyError, status: int, request_id: str) -> bytes:  # noqa: ARG002 - the protocol's
        """The error as JSON."""
        kind = nearest(_TEI_TYPES, error)
        return orjson.dumps(
            {
                "error": error.message,
                "error_type": kind,
                "message": error.message,
                "param": error.param,
                "request_id": request_id,
            }
        )


COHERE = _Cohere(_TYPES)
TEI = _Tei()
