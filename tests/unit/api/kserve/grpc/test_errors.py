from __future__ import annotations

import grpc
import pytest

from argosy.api.kserve.grpc.errors import CODES, code_of, details_of, trailers_of
from argosy.core import errors as core
from argosy.runtime.failures import crashed, not_ready


def every_error() -> list[type[core.ArgosyError]]:
    found: list[type[core.ArgosyError]] = [core.ArgosyError]
    for kind in found:
        found.extend(kind.__subclasses__())
    return found


@pytest.mark.parametrize("kind", every_error())
def test_every_error_has_a_status(kind: type[core.ArgosyError]) -> None:
    """No error of the tree is without a status, and none is OK."""
    assert code_of(kind("message")) is not grpc.StatusCode.OK


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (core.InvalidRequest("m"), grpc.StatusCode.INVALID_ARGUMENT),
        (core.UnsupportedParameter("m"), grpc.StatusCode.INVALID_ARGUMENT),
        (core.MalformedBody("m"), grpc.StatusCode.INVALID_ARGUMENT),
        (core.Unauthenticated("m"), grpc.StatusCode.UNAUTHENTICATED),
        (core.PermissionDenied("m"), grpc.StatusCode.PERMISSION_DENIED),
        (core.ModelNotFound("m"), grpc.StatusCode.NOT_FOUND),
        (core.Overloaded("m"), grpc.StatusCode.UNAVAILABLE),
        (not_ready("m"), grpc.StatusCode.UNAVAILABLE),
        (core.Draining("m"), grpc.StatusCode.UNAVAILABLE),
        (core.DeadlineExceeded("m"), grpc.StatusCode.DEADLINE_EXCEEDED),
        (crashed("m"), grpc.StatusCode.UNAVAILABLE),
        (core.EngineError("m"), grpc.StatusCode.INTERNAL),
        (core.ModelLoadFailed("m"), grpc.StatusCode.FAILED_PRECONDITION),
        (core.RuntimeFailure("m"), grpc.StatusCode.INTERNAL),
    ],
)
def test_statuses(error: core.ArgosyError, code: grpc.StatusCode) -> None:
    """What a client may send again is UNAVAILABLE; what it must change is INVALID_ARGUMENT."""
    assert code_of(error) is code


def test_the_table_is_about_errors_that_exist() -> None:
    """Every line of the table is a class of the tree."""
    assert set(CODES) <= set(every_error())


def test_trailers_say_more() -> None:
    """The trailers name the error, the field and the time to wait."""
    error = core.Overloaded("full", param="model", retry_after=1.2)
    assert trailers_of(error) == (
        ("x-argosy-error", "server_is_overloaded"),
        ("x-argosy-param", "model"),
        ("retry-after", "2"),
    )


def test_what_a_trailer_cannot_hold_is_left_out() -> None:
    """A field name with line breaks or foreign letters is not put into a trailer, and messages are cut."""
    assert trailers_of(core.InvalidRequest("m", param="a\r\nb")) == (("x-argosy-error", "invalid_value"),)
    assert len(details_of(core.InvalidRequest("x" * 100_000))) < 2000
