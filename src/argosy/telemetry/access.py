"""One log line a request."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Any

_LOG = logging.getLogger("argosy.access")
_EXPECTED = frozenset({200, 503})
"""What a probe is answered while all is well, and while models load."""
_PROBED = (
    "/v1/health/",
    "/v2/health/",
    "/metrics",
    "/v1/metrics",
    "/inference.GRPCInferenceService/ServerLive",
    "/inference.GRPCInferenceService/ServerReady",
    "/grpc.health.v1.Health/",
)


@dataclass(slots=True)
class AccessRecord:
    """What is known about a request once it has ended.

    Attributes:
        status: HTTP status; 499 when the client left first.
        seconds: whole duration.
        error: code of the error it ended with, or empty.
    """

    request_id: str
    method: str
    path: str
    status: int
    seconds: float
    client: str = ""
    principal: str = ""
    model: str = ""
    prompt_tokens: int = 0
    output_tokens: int = 0
    error: str = ""


class AccessLog:
    """Writes access records at level INFO, or nothing when that level is off.

    Args:
        quiet: path prefixes that probes poll; they are logged at DEBUG.
    """

    def __init__(self, quiet: tuple[str, ...] = _PROBED) -> None:
        self._quiet = quiet

    def write(self, record: AccessRecord) -> None:
        """Log one ended request."""
        level = logging.INFO
        if record.status in _EXPECTED and record.path.startswith(self._quiet):
            level = logging.DEBUG
        if _LOG.isEnabledFor(level):
            _LOG.handle(_Line(level, _fields(record)))


class _Line(logging.LogRecord):
    """A log record without the look-ups (caller, thread, process) that cost more than writing it."""

    def __init__(self, level: int, fields: dict[str, Any]) -> None:
        self.name = _LOG.name
        self.levelno = level
        self.levelname = logging.getLevelName(level)
        self.msg = "request"
        self.args = ()
        self.exc_info = None
        self.exc_text = None
        self.stack_info = None
        self.created = time.time()
        self.filename = "access.py"
        self.lineno = 0
        self.fields = fields
        self.batched = True


def _fields(record: AccessRecord) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "request_id": record.request_id,
        "method": record.method,
        "path": record.path[:256],
        "status": record.status,
        "duration_ms": round(record.seconds * 1e3, 2),
    }
    if record.client:
        fields["client"] = record.client
    if record.principal:
        fields["principal"] = record.principal
    if record.model:
        fields["model"] = record.model
    if record.prompt_tokens or record.output_tokens:
        fields["prompt_tokens"] = record.prompt_tokens
        fields["output_tokens"] = record.output_tokens
    if record.error:
        fields["error"] = record.error
    return fields
