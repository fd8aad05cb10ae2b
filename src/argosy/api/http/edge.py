"""The one middleware: what happens to every request before and after its route."""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from argosy.api.http import single
from argosy.api.http.errors import ErrorDialect, from_router, internal_error, status_of
from argosy.api.http.exchange import Exchange, HttpOptions
from argosy.core.errors import ArgosyError
from argosy.server.access.contract import Authenticator
from argosy.server.admission.admission import Admission
from argosy.server.admission.drain import Drain, draining_error
from argosy.server.catalog.catalog import Catalog
from argosy.telemetry.access import AccessLog, AccessRecord
from argosy.telemetry.metrics import Metrics

_LOG = logging.getLogger(__name__)

EXCHANGE = "argosy.exchange"
"""Where the edge leaves the `Exchange` in the ASGI scope."""

HEALTH = ("/v1/health/", "/v2/health/")
_WHILE_DRAINING = (*HEALTH, "/metrics", "/v1/metrics")


@dataclass(frozen=True, slots=True)
class EdgeParts:
    """What the edge works with.

    Attributes:
        errors: the dialect for a path that no route has taken yet.
        access_log: None writes no line.
        open_paths: path prefixes that need no key.
        catalog: the models that `/m/{model}/…` may address; None leaves such paths alone.
    """

    authenticator: Authenticator
    admission: Admission
    drain: Drain
    metrics: Metrics
    errors: Callable[[str], ErrorDialect]
    access_log: AccessLog | None = None
    options: HttpOptions = field(default_factory=HttpOptions)
    open_paths: tuple[str, ...] = HEALTH
    catalog: Catalog | None = None


class Edge:
    """Header limits, drain, access, errors, metrics and the access log, in this order, around `app`."""

    def __init__(self, app: ASGIApp, parts: EdgeParts) -> None:
        self._app = app
        self._parts = parts
        # Unique, ordered within a process, and cheaper than a random number for each.
        self._prefix = secrets.token_hex(6)
        self._numbers = itertools.count()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request from its first byte to its last."""
        parts = self._parts
        path: str = scope["path"]
        inner = single.inner_path(path)
        exchange = Exchange(
            scope,
            receive,
            send,
            options=parts.options,
            admission=parts.admission,
            errors=parts.errors(inner),
            request_id=f"{self._prefix}{next(self._numbers):010x}",
        )
        scope[EXCHANGE] = exchange
        handle = parts.drain.enter(exchange.interrupt, exchange)
        parts.metrics.in_flight.inc()
        try:
            error = await self._attempt(exchange, path, inner)
            if error is not None:
                await exchange.fail(error)
        except asyncio.CancelledError:
            # The client may leave, or the drain end, while an error is being sent; nothing is left to do then.
            if exchange.take_interruption() is None:
                raise
        finally:
            exchange.end()
            parts.drain.leave(handle)
            parts.metrics.in_flight.dec()
            self._record(exchange, path)

    async def _attempt(self, exchange: Exchange, path: str, inner: str) -> ArgosyError | None:
        """Let the route of `inner` answer; the error that is to be the answer instead, if any."""
        try:
            await self._admit(exchange, inner)
            if path.startswith(single.PREFIX) and self._parts.catalog is not None:
                exchange.scope_model = single.find(path, self._parts.catalog)
                exchange.scope["path"] = inner
            await self._app(exchange.scope, exchange.receive, exchange.send_tagged)
        except ArgosyError as error:
            if error.__cause__ is not None and status_of(error) == 500:
                _LOG.warning("Request %s: %s", exchange.request_id, error.message, exc_info=error)
            return error
        except HTTPException as refusal:
            return from_router(refusal, exchange.scope["method"], path)
        except asyncio.CancelledError:
            reason = exchange.take_interruption()
            if reason is None:
                raise
            return reason
        except Exception:  # noqa: BLE001 - the last resort: whatever a route let slip becomes a 500
            _LOG.exception("Request %s failed unexpectedly.", exchange.request_id)
            return internal_error()
        return None

    async def _admit(self, exchange: Exchange, path: str) -> None:
        exchange.inspect_headers()
        if self._parts.drain.draining and not path.startswith(_WHILE_DRAINING):
            raise draining_error()
        if not path.startswith(self._parts.open_paths):
            principal = await self._parts.authenticator.authenticate(exchange.scope["headers"])
            exchange.principal = principal.name
            exchange.operator = principal.operator

    def _record(self, exchange: Exchange, path: str) -> None:
        seconds = time.monotonic() - exchange.received
        self._parts.metrics.request_ended(exchange.route or "other", exchange.model, exchange.status, seconds)
        if self._parts.access_log is None:
            return
        client = exchange.scope.get("client")
        self._parts.access_log.write(
            AccessRecord(
                exchange.request_id,
                exchange.scope["method"],
                path,
                exchange.status,
                seconds,
                client[0] if client else "",
                exchange.principal,
                exchange.model,
                exchange.prompt_tokens,
                exchange.output_tokens,
                exchange.error,
            )
        )
