"""What the server is and how it stands: `GET /v2` and `GET /v2/health/*`."""

from __future__ import annotations

import math

from argosy.api.http.exchange import Exchange
from argosy.api.kserve.replies import to_json
from argosy.core.errors import Draining, ModelNotReady
from argosy.server.admission.drain import Drain
from argosy.server.catalog.board import StatusBoard
from argosy.server.dataplane.infer import TensorInference

_LIVE = to_json({"live": True})
_READY = to_json({"ready": True})
_OWN_EXTENSIONS = ("binary_tensor_data", "generate")
"""Those of Triton's that are served by the gateway itself, whatever the runtime behind it knows."""


class ServerRoutes:
    """Tells clients and probes how the server stands."""

    def __init__(self, board: StatusBoard, drain: Drain, tensors: TensorInference) -> None:
        self._board = board
        self._drain = drain
        self._tensors = tensors

    async def metadata(self, exchange: Exchange) -> None:
        """Name, version and extensions of the runtime, as far as they are passed on."""
        found = await self._tensors.server_metadata()
        extensions = list(dict.fromkeys((*found["extensions"], *_OWN_EXTENSIONS)))
        await exchange.reply(to_json({**found, "extensions": extensions}))

    async def live(self, exchange: Exchange) -> None:
        """200 as long as this process answers."""
        await exchange.reply(_LIVE)

    async def ready(self, exchange: Exchange) -> None:
        """200 when every model answers; else 503 with what is missing."""
        if not self._drain.draining and self._board.ready:
            await exchange.reply(_READY)
            return
        draining = self._drain.draining
        exchange.error = Draining.code if draining else ModelNotReady.code
        reason = "Not ready: this server is shutting down." if draining else self._board.explain()
        retry_after = str(math.ceil(self._board.status.retry_after)).encode()
        await exchange.reply(to_json({"ready": False, "error": reason}), 503, [(b"retry-after", retry_after)])
