"""How the NIM routes word their errors."""

from __future__ import annotations

from collections.abc import Mapping

from argosy.api.http.errors import DoubleShape
from argosy.core import errors as core

TYPES: Mapping[type[core.ArgosyError], str] = {
    core.RequestError: "invalid_request_error",
    core.Unauthenticated: "authentication_error",
    core.PermissionDenied: "permission_error",
    core.DeadlineExceeded: "timeout_error",
    core.Unavailable: "service_unavailable_error",
    core.ArgosyError: "internal_server_error",
}

ERRORS = DoubleShape(TYPES)
