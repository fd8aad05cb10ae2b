from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from argosy.api.http.errors import DoubleShape, headers_of, status_of
from argosy.api.nim import errors as nim
from argosy.api.openai import errors as openai
from argosy.core import errors as core


def _classes(kind: type[core.ArgosyError] = core.ArgosyError) -> Iterator[type[core.ArgosyError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _classes(child)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (core.InvalidRequest, 400),
        (core.MalformedBody, 400),
        (core.ModelLoadFailed, 400),
        (core.InputTooLong, 400),
        (core.UnsupportedParameter, 400),
        (core.Unauthenticated, 401),
        (core.PermissionDenied, 403),
        (core.ModelNotFound, 404),
        (core.MethodNotAllowed, 405),
        (core.RequestTimeout, 408),
        (core.PayloadTooLarge, 413),
        (core.UnsupportedMediaType, 415),
        (core.HeadersTooLarge, 431),
        (core.RequestCancelled, 499),
        (core.EngineError, 500),
        (core.EngineCrashed, 502),
        (core.Overloaded, 503),
        (core.ModelNotReady, 503),
        (core.Draining, 503),
        (core.DeadlineExceeded, 504),
        (core.ConfigurationError, 500),
    ],
)
def test_statuses_are_those_of_the_contract(error: type[core.ArgosyError], status: int) -> None:
    """Each class has its published status."""
    assert status_of(error("x")) == status


@pytest.mark.parametrize("kind", sorted(set(_classes()), key=lambda kind: kind.__name__))
@pytest.mark.parametrize("dialect", [openai.ERRORS, nim.ERRORS], ids=["openai", "nim"])
def test_every_error_is_readable_in_both_shapes(kind: type[core.ArgosyError], dialect: DoubleShape) -> None:
    """The SDK's nested form and NIM's flat one say the same, and both carry the request id."""
    error = kind("It broke.", param="model")
    body = json.loads(dialect.body(error, status_of(error), "abc"))
    nested = body["error"]
    assert (nested["message"], nested["param"], nested["code"]) == ("It broke.", "model", kind.code)
    assert nested["type"]
    assert body == {
        "error": nested,
        "object": "error",
        "message": "It broke.",
        "type": nested["type"],
        "param": "model",
        "code": status_of(error),
        "request_id": "abc",
    }


def test_retries_are_invited_and_spread() -> None:
    """503 carries Retry-After between the estimate and half as much again."""
    error = core.Overloaded("full", retry_after=10)
    seconds = {int(dict(headers_of(error, 503))[b"retry-after"]) for _ in range(200)}
    assert min(seconds) >= 10
    assert max(seconds) <= 15
    assert len(seconds) > 1


def test_a_missing_key_is_asked_for() -> None:
    """401 carries WWW-Authenticate."""
    assert dict(headers_of(core.Unauthenticated("no"), 401)) == {b"www-authenticate": b"Bearer"}
