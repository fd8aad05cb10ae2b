"""How the KServe routes word their errors: `{"error": "…"}`, the only form their clients read."""

from __future__ import annotations

import msgspec
import orjson

from argosy.core import errors as core


class KServeError(msgspec.Struct, frozen=True):
    """Every error of these routes."""

    error: str


_UNKNOWN_MODEL = "Request for unknown model"
"""Triton's words, which clients look for because its status is 400 for everything."""


class KServeErrors:
    """One sentence that names the field; status and request id are in the head of the reply."""

    media_type = b"application/json"

    def body(self, error: core.ArgosyError, status: int, request_id: str) -> bytes:  # noqa: ARG002
        """The sentence as JSON."""
        return orjson.dumps({"error": sentence(error)})


def sentence(error: core.ArgosyError) -> str:
    """The error's message, beginning with Triton's words where clients look for them."""
    return f"{_UNKNOWN_MODEL}: {error.message}" if isinstance(error, core.ModelNotFound) else error.message


ERRORS = KServeErrors()
