"""The routes of the NIM dialect."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from argosy.api.http.exchange import Exchange
from argosy.api.http.routes import RouteSpec
from argosy.api.nim.errors import ERRORS
from argosy.api.nim.health import Health, HealthRoutes
from argosy.api.nim.management import LicenseInfo, ManagementRoutes, Manifest, Metadata, Version
from argosy.api.nim.ranking import RankingBody, RankingReply, RankingRoute
from argosy.server.admission.drain import Drain
from argosy.server.catalog.board import StatusBoard
from argosy.server.catalog.catalog import Catalog
from argosy.server.dataplane.rank import Ranker
from argosy.telemetry.metrics import CONTENT_TYPE, Metrics

_TAG = "NIM"


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
        self._management = ManagementRoutes(catalog, release)
        self._metrics = metrics
        self._extra_metrics = extra_metrics

    def routes(self) -> list[RouteSpec]:
        """All of them."""
        about, health = self._management, self._health
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
                fields=tuple(self._ranking.fields()),
            ),
            RouteSpec("GET", "/v1/health/live", health.live, "Whether the process answers", _TAG, ERRORS, Health),
            RouteSpec("GET", "/v1/health/ready", health.ready, "Whether every model answers", _TAG, ERRORS, Health),
            RouteSpec("GET", "/v1/version", about.version, "Versions", _TAG, ERRORS, Version),
            RouteSpec("GET", "/v1/metadata", about.metadata, "Version, models and licence", _TAG, ERRORS, Metadata),
            RouteSpec("GET", "/v1/manifest", about.manifest, "The models' profiles", _TAG, ERRORS, Manifest),
            RouteSpec("GET", "/v1/license", about.license, "Licences", _TAG, ERRORS, LicenseInfo),
            RouteSpec("GET", "/v1/metrics", self.metrics, "Prometheus metrics", _TAG, ERRORS, "text/plain"),
            RouteSpec("GET", "/metrics", self.metrics, "Prometheus metrics", _TAG, ERRORS, "text/plain"),
        ]

    async def metrics(self, exchange: Exchange) -> None:
        """Every worker's metrics, then the runtime's; of one model when the address names it."""
        runtime = b"" if self._extra_metrics is None else await self._extra_metrics()
        model = None if exchange.scope_model is None else exchange.scope_model.served.root
        # With many workers this reads a file for each of them.
        text = await asyncio.to_thread(self._metrics.render, runtime, model)
        await exchange.reply(text, content_type=CONTENT_TYPE.encode())
