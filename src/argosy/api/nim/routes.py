"""The routes of the NIM dialect."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import orjson

from argosy.api.http.exchange import Exchange
from argosy.api.http.routes import RouteSpec
from argosy.api.nim.errors import ERRORS
from argosy.api.nim.health import Health, HealthRoutes
from argosy.api.nim.ranking import RankingBody, RankingReply, RankingRoute
from argosy.server.admission.drain import Drain
from argosy.server.catalog.board import StatusBoard
from argosy.server.catalog.catalog import Catalog
from argosy.server.dataplane.rank import Ranker
from argosy.telemetry.metrics import CONTENT_TYPE, Metrics

_TAG = "NIM"
_API = "1.0.0"


class Version(msgspec.Struct, frozen=True):
    """Version of the program and of the NIM surface it follows."""

    release: str
    api: str


class NimRoutes:
    """Builds the dialect's routes over the server."""

    def __init__(
        self,
        catalog: Catalog,
        board: StatusBoard,
        ranker: Ranker,
        metrics: Metrics,
        drain: Drain,
        *,
        release: str,
        extra_metrics: Callable[[], Awaitable[bytes]] | None = None,
    ) -> None:
        self._ranking = RankingRoute(catalog, ranker)
        self._health = HealthRoutes(board, drain)
        self._metrics = metrics
        self._extra_metrics = extra_metrics
        self._version = orjson.dumps({"release": release, "api": _API})

    def routes(self) -> list[RouteSpec]:
        """All of them."""
        live, ready = self._health.live, self._health.ready
        return [
            RouteSpec(
                "POST",
                "/v1/ranking",
                self._ranking.create,
                "Sort passages by a query",
                _TAG,
                ERRORS,
                RankingReply,
                RankingBody,
            ),
            RouteSpec("GET", "/v1/health/live", live, "Whether the process answers", _TAG, ERRORS, Health),
            RouteSpec("GET", "/v1/health/ready", ready, "Whether every model answers", _TAG, ERRORS, Health),
            RouteSpec("GET", "/v1/version", self.version, "Versions", _TAG, ERRORS, Version),
            RouteSpec("GET", "/v1/metrics", self.metrics, "Prometheus metrics", _TAG, ERRORS, "text/plain"),
            RouteSpec("GET", "/metrics", self.metrics, "Prometheus metrics", _TAG, ERRORS, "text/plain"),
        ]

    async def version(self, exchange: Exchange) -> None:
        """Which Argosy this is."""
        await exchange.reply(self._version)

    async def metrics(self, exchange: Exchange) -> None:
        """Our own metrics, then whatever the hook adds."""
        # With many workers this reads a file for each of them.
        text = await asyncio.to_thread(self._metrics.render)
        if self._extra_metrics is not None:
            text += await self._extra_metrics()
        await exchange.reply(text, content_type=CONTENT_TYPE.encode())
