"""The gateway's web application: every dialect's routes behind one edge."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from argosy.api.http.edge import Edge, EdgeParts
from argosy.api.http.errors import ErrorDialect
from argosy.api.http.exchange import HttpOptions
from argosy.api.http.routes import DirectRoute, RouteSpec, schemas
from argosy.api.nim.routes import NimRoutes
from argosy.api.openai.errors import ERRORS
from argosy.api.openai.routes import OpenAIRoutes
from argosy.server.access.contract import Authenticator
from argosy.server.admission.admission import Admission
from argosy.server.admission.drain import Drain
from argosy.server.catalog.board import StatusBoard
from argosy.server.catalog.catalog import Catalog
from argosy.server.dataplane.plane import DataPlane
from argosy.server.text.templates import ChatTemplates
from argosy.telemetry.access import AccessLog
from argosy.telemetry.metrics import Metrics

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True)
class GatewayParts:
    """Everything the gateway is made of; the composition root builds it.

    Attributes:
        release: version shown at `/v1/version` and in the API documentation.
        access_log: None writes no line per request.
        extra_metrics: further Prometheus text to append to `/metrics`.
    """

    catalog: Catalog
    board: StatusBoard
    plane: DataPlane
    templates: ChatTemplates
    authenticator: Authenticator
    admission: Admission
    drain: Drain
    metrics: Metrics
    release: str
    access_log: AccessLog | None = None
    options: HttpOptions = field(default_factory=HttpOptions)
    extra_metrics: Callable[[], Awaitable[bytes]] | None = None


class Gateway(FastAPI):
    """FastAPI with one middleware of our own in place of its stack."""

    def __init__(self, routes: list[RouteSpec], edge: EdgeParts, release: str, lifespan: Lifespan | None) -> None:
        super().__init__(
            title="Argosy",
            version=release,
            summary="Open inference microservices on the Triton Inference Server.",
            lifespan=lifespan,
            redirect_slashes=False,
            redoc_url=None,
        )
        # Ahead of the documentation's own routes: most requests are for these.
        self.router.routes[:0] = [DirectRoute(spec) for spec in routes]
        self._specs = routes
        self._edge: ASGIApp = Edge(self.router, edge)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry point."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        scope["app"] = self
        await self._edge(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, with the schemas of bodies and answers."""
        document = super().openapi()
        components = document.setdefault("components", {})
        components.setdefault("schemas", {}).update(schemas(self._specs))
        components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"bearer": []}, {}]
        return document


def create_gateway(parts: GatewayParts, lifespan: Lifespan | None = None) -> Gateway:
    """The application, ready for uvicorn.

    Args:
        parts: the collaborators, started or to be started by `lifespan`.
        lifespan: entered before the first request and left after the last.
    """
    routes = [
        *OpenAIRoutes(parts.catalog, parts.plane, parts.templates).routes(),
        *NimRoutes(
            parts.catalog,
            parts.board,
            parts.plane.ranker,
            parts.metrics,
            parts.drain,
            release=parts.release,
            extra_metrics=parts.extra_metrics,
        ).routes(),
    ]
    edge = EdgeParts(
        authenticator=parts.authenticator,
        admission=parts.admission,
        drain=parts.drain,
        metrics=parts.metrics,
        errors=_dialect,
        access_log=parts.access_log,
        options=parts.options,
    )
    return Gateway(routes, edge, parts.release, lifespan)


def _dialect(path: str) -> ErrorDialect:  # noqa: ARG001 - dialects with other shapes claim their prefixes here
    return ERRORS
