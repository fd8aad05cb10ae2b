"""From core errors to gRPC statuses. The only table; upstream text never reaches a client."""

from __future__ import annotations

import math
from collections.abc import Mapping

import grpc

from argosy.api.http.errors import nearest
from argosy.api.kserve.errors import sentence
from argosy.core import errors as core

_CODE = grpc.StatusCode

CODES: Mapping[type[core.ArgosyError], grpc.StatusCode] = {
    core.RequestError: _CODE.INVALID_ARGUMENT,
    core.Unauthenticated: _CODE.UNAUTHENTICATED,
    core.PermissionDenied: _CODE.PERMISSION_DENIED,
    core.NotFound: _CODE.NOT_FOUND,
    core.MethodNotAllowed: _CODE.UNIMPLEMENTED,
    core.UnsupportedMediaType: _CODE.UNIMPLEMENTED,
    core.PayloadTooLarge: _CODE.RESOURCE_EXHAUSTED,
    core.RequestTimeout: _CODE.DEADLINE_EXCEEDED,
    core.DeadlineExceeded: _CODE.DEADLINE_EXCEEDED,
    core.RequestCancelled: _CODE.CANCELLED,
    # The two that a client may simply send again.
    core.Unavailable: _CODE.UNAVAILABLE,
    core.EngineCrashed: _CODE.UNAVAILABLE,
    core.ModelLoadFailed: _CODE.FAILED_PRECONDITION,
    core.ArgosyError: _CODE.INTERNAL,
}

_LONGEST = 1024


def code_of(error: core.ArgosyError) -> grpc.StatusCode:
    """The gRPC status of an error."""
    code: grpc.StatusCode = nearest(CODES, error)
    return code


def details_of(error: core.ArgosyError) -> str:
    """The error in a sentence short enough for a trailer."""
    text = sentence(error)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def trailers_of(error: core.ArgosyError) -> tuple[tuple[str, str], ...]:
    """What an error's trailers carry beside its status: its name, the field at fault and when to try again."""
    trailers = [("x-argosy-error", error.code)]
    if error.param and error.param.isascii() and error.param.isprintable():
        trailers.append(("x-argosy-param", error.param[:256]))
    if error.retry_after is not None:
        trailers.append(("retry-after", str(math.ceil(error.retry_after))))
    return tuple(trailers)
