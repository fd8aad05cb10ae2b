"""From core errors to HTTP statuses, and the body that OpenAI and NIM clients both read.

The map of statuses is one for all dialects; each dialect names its error types in its own `errors.py`.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from typing import Any, Protocol

import orjson
from starlette.exceptions import HTTPException

from argosy.core import errors as core

STATUS: Mapping[type[core.ArgosyError], int] = {
    core.RequestError: 400,
    core.InvalidRequest: 400,
    core.ModelLoadFailed: 400,
    core.Unauthenticated: 401,
    core.PermissionDenied: 403,
    core.NotFound: 404,
    core.MethodNotAllowed: 405,
    core.RequestTimeout: 408,
    core.PayloadTooLarge: 413,
    core.UnsupportedMediaType: 415,
    core.HeadersTooLarge: 431,
    core.TooManyJobs: 429,
    core.RequestCancelled: 499,
    core.ArgosyError: 500,
    core.EngineCrashed: 502,
    core.Unavailable: 503,
    core.DeadlineExceeded: 504,
}
"""499 is only logged: nobody is left to read it. A load that failed is 400, as Triton has it: trying again is pointless
until the model on disk is another."""

_RETRIED = frozenset({429, 503})


class ErrorDialect(Protocol):
    """How one family of routes words its errors.

    Attributes:
        media_type: of the bodies.
    """

    media_type: bytes

    def body(self, error: core.ArgosyError, status: int, request_id: str) -> bytes:
        """The JSON body of an error reply, which is also the data of an error event in a stream."""
        ...


class DoubleShape:
    """The nested form that the OpenAI SDK reads and the flat one that NIM clients read, in one object.

    The nested `code` is a name, as OpenAI's is; the flat one is the status, as in NIM 1.x.

    Args:
        types: the value of `type` by class of error; a class without its own takes its base's.
    """

    media_type = b"application/json"

    def __init__(self, types: Mapping[type[core.ArgosyError], str]) -> None:
        self._types = types

    def body(self, error: core.ArgosyError, status: int, request_id: str) -> bytes:
        """Both shapes as JSON."""
        kind = nearest(self._types, error)
        return orjson.dumps(
            {
                "error": {"message": error.message, "type": kind, "param": error.param, "code": error.code},
                "object": "error",
                "message": error.message,
                "type": kind,
                "param": error.param,
                "code": status,
                "request_id": request_id,
            }
        )


def nearest(table: Mapping[type[core.ArgosyError], Any], error: core.ArgosyError) -> Any:
    """The table's entry for the error's class or, failing that, its closest base."""
    return next(table[kind] for kind in type(error).__mro__ if kind in table)


def status_of(error: core.ArgosyError) -> int:
    """The HTTP status of an error."""
    status: int = nearest(STATUS, error)
    return status


def internal_error() -> core.ArgosyError:
    """What clients are told about a defect of ours; the log has the rest."""
    return core.ArgosyError("The server failed on this request. The request id finds the cause in its log.")


def headers_of(error: core.ArgosyError, status: int) -> list[tuple[bytes, bytes]]:
    """The headers that an error reply carries beside the usual ones."""
    headers = []
    if status in _RETRIED or error.retry_after is not None:
        # Spread, so that clients refused together do not come back together.
        seconds = math.ceil((error.retry_after or 1.0) * random.uniform(1.0, 1.5))  # noqa: S311 - not a secret
        headers.append((b"retry-after", str(seconds).encode()))
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if isinstance(error, core.MethodNotAllowed):
        # RFC 9110 demands it.
        headers.append((b"allow", error.allowed.encode()))
    if isinstance(error, core.Draining | core.RequestTimeout):
        headers.append((b"connection", b"close"))
    return headers


def from_router(refusal: HTTPException, method: str, path: str) -> core.ArgosyError:
    """What the web framework's own refusal of a path or method means."""
    shown = path if len(path) <= 128 else f"{path[:128]}…"
    if refusal.status_code == 404:
        return core.NotFound(f"There is nothing at {shown}. See /docs for what there is.")
    if refusal.status_code == 405:
        allowed = (refusal.headers or {}).get("Allow", "")
        error = core.MethodNotAllowed(f"{shown} does not take {method[:16]}; use {allowed or 'another method'}.")
        error.allowed = allowed
        return error
    return core.InvalidRequest(str(refusal.detail))
