"""`GET /v1/health/live` and `GET /v1/health/ready`."""

from __future__ import annotations

import math

import msgspec
import orjson

from argosy.api.http.exchange import Exchange
from argosy.api.nim.errors import ERRORS
from argosy.core.errors import Draining, ModelNotReady, Unavailable
from argosy.server.admission.drain import Drain
from argosy.server.catalog.board import StatusBoard
from argosy.server.catalog.single import SingleModel


class Health(msgspec.Struct, frozen=True):
    """`health.response`; `status` is what older clients read, `ready` what newer ones do (readiness only)."""

    object: str
    message: str
    status: str
    ready: bool | msgspec.UnsetType = msgspec.UNSET


_LIVE = orjson.dumps({"object": "health.response", "message": "Service is live.", "status": "live"})
_READY = orjson.dumps({"object": "health.response", "message": "Service is ready.", "status": "ready", "ready": True})


class HealthRoutes:
    """Tells probes and people how the server stands."""

    def __init__(self, board: StatusBoard, drain: Drain) -> None:
        self._board = board
        self._drain = drain

    async def live(self, exchange: Exchange) -> None:
        """200 as long as this process answers."""
        await exchange.reply(_LIVE)

    async def ready(self, exchange: Exchange) -> None:
        """200 when every model, or the one that the address names, answers; else 503 with what is missing."""
        error = self._trouble(exchange.scope_model)
        if error is None:
            await exchange.reply(_READY)
            return
        status = self._board.status
        body = orjson.loads(ERRORS.body(error, 503, exchange.request_id))
        body["status"] = "not_ready"
        body["ready"] = False
        body["runtime"] = {"state": status.state, "reason": status.reason, "restarts": status.restarts}
        body["models"] = {
            model.name: {"state": model.state, "reason": model.reason}
            for model in status.models.values()
            if exchange.scope_model is None or model.name == exchange.scope_model.served.root
        }
        exchange.error = error.code
        retry_after = str(math.ceil(status.retry_after)).encode()
        await exchange.reply(orjson.dumps(body), 503, [(b"retry-after", retry_after)])

    def _trouble(self, only: SingleModel | None) -> Unavailable | None:
        if self._drain.draining:
            return Draining("Not ready: this server is shutting down.")
        if only is None:
            return None if self._board.ready else ModelNotReady(self._board.explain())
        try:
            self._board.check_reachable(only.served.root)
        except ModelNotReady as error:
            return error
        return None
