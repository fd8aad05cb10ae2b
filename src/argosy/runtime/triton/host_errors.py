"""Errors on their way from an engine to Triton."""

from __future__ import annotations

import logging
from typing import Any

from argosy.core.errors import (
    ArgosyError,
    DeadlineExceeded,
    EngineError,
    InvalidRequest,
    RequestCancelled,
    Unavailable,
    encode,
)

_log = logging.getLogger(__name__)

CODES: tuple[tuple[type[ArgosyError], str], ...] = (
    (InvalidRequest, "INVALID_ARG"),
    (Unavailable, "UNAVAILABLE"),
    (RequestCancelled, "CANCELLED"),
    (DeadlineExceeded, "UNAVAILABLE"),
)
"""Names of Triton's error codes, for the first class that matches; INTERNAL for the rest."""


def code_name(error: ArgosyError) -> str:
    """The name of Triton's error code for `error`."""
    return next((name for kind, name in CODES if isinstance(error, kind)), "INTERNAL")


def triton_error(pb_utils: Any, error: ArgosyError) -> Any:
    """A `TritonError` that carries the whole error over the wire."""
    return pb_utils.TritonError(encode(error), getattr(pb_utils.TritonError, code_name(error)))


def unexpected(error: Exception) -> EngineError:
    """What callers learn about a defect; the log has the rest."""
    _log.error("The engine host failed", exc_info=error)
    return EngineError("The engine failed while it had the request. The server's log has the cause.")
