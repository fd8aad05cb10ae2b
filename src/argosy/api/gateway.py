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
from argosy.api.kserve.errors import ERRORS as KSERVE
from argosy.api.kserve.routes import KServeRoutes
from argosy.api.management.errors import ERRORS as MANAGEMENT
from argosy.api.management.errors import PREFIX as MANAGEMENT_PREFIX
from argosy.api.management.routes import ManagementRoutes
from argosy.api.nim.routes import NimRoutes
from argosy.api.openai.errors import ERRORS
from argosy.api.openai.routes import OpenAIRoutes
from argosy.api.rerank.errors import COHERE, TEI
from argosy.api.rerank.routes import COHERE_PATHS, TEI_PATH, RerankRoutes
from argosy.server.access.contract import Authenticator
from argosy.server.admission.admission import Admission
from argosy.server.admission.drain import Drain
from argosy.server.catalog.board import StatusBoard
from argosy.server.catalog.catalog import Catalog
from argosy.server.control.repository import ModelRepository
from argosy.server.dataplane.plane import DataPlane
from argosy.server.jobs.contract import Jobs
from argosy.server.profiles.board import ProfileBoard
from argosy.server.text.templates import ChatTemplates
from argosy.server.text.tokenize import TextTokenizers
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
        repository: None where models can be neither loaded nor unloaded.
        profiles: judges the models' profiles; None makes one that looks at this machine.
        jobs: None where no jobs are taken.
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
    tokenizers: TextTokenizers = field(default_factory=TextTokenizers)
    access_log: AccessLog | None = None
    options: HttpOptions = field(default_factory=HttpOptions)
    extra_metrics: Callable[[], Awaitable[bytes]] | None = None
    repository: ModelRepository | None = None
    profiles: ProfileBoard | None = None
    jobs: Jobs | None = None


_DESCRIPTION = """Every path under `/v1/`, and `/v2/rerank`, `/rerank`, `/tokenize`, `/detokenize` and `/metrics`, is
also there for each served model under `/m/{model}`, as if that model had a server of its own: `model` may be left out
of bodies, lists hold only that model and its adapters, and readiness and metrics are its own."""


class Gateway(FastAPI):
    """FastAPI with one middleware of our own in place of its stack."""

    def __init__(self, routes: list[RouteSpec], edge: EdgeParts, release: str, lifespan: Lifespan | None) -> None:
        super().__init__(
            title="Argosy",
            version=release,
            summary="Open inference microservices on the Triton Inference Server.",
            description=_DESCRIPTION,
            lifespan=lifespan,
            redirect_slashes=False,
            redoc_url=None,
        )
        # Ahead of the documentation's own routes: most requests are for these.
        methods: dict[str, list[str]] = {}
        for spec in routes:
            methods.setdefault(spec.path, []).append(spec.method)
        direct = [DirectRoute(spec, methods[spec.path]) for spec in routes]
        self.router.routes[:0] = direct
        self._fixed = {(route.spec.method, route.spec.path): route for route in direct if route.fixed}
        self._specs = routes
        self._edge: ASGIApp = Edge(self._route, edge)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry point."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        scope["app"] = self
        await self._edge(scope, receive, send)

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        # The router would try one route after the other.
        route = self._fixed.get((scope["method"], scope["path"]))
        await (self.router(scope, receive, send) if route is None else route.handle(scope, receive, send))

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
        *OpenAIRoutes(parts.catalog, parts.plane, parts.templates, parts.tokenizers).routes(),
        *KServeRoutes(parts.catalog, parts.board, parts.plane, parts.drain, parts.repository).routes(),
        *NimRoutes(
            parts.catalog,
            parts.board,
            parts.plane.ranker,
            parts.metrics,
            parts.drain,
            release=parts.release,
            extra_metrics=parts.extra_metrics,
        ).routes(),
        *RerankRoutes(parts.catalog, parts.plane.ranker).routes(),
        *ManagementRoutes(parts.profiles or ProfileBoard(parts.catalog), parts.jobs).routes(),
    ]
    edge = EdgeParts(
        authenticator=parts.authenticator,
        admission=parts.admission,
        drain=parts.drain,
        metrics=parts.metrics,
        errors=_dialect,
        access_log=parts.access_log,
        options=parts.options,
        catalog=parts.catalog,
    )
    return Gateway(routes, edge, parts.release, lifespan)


def _dialect(path: str) -> ErrorDialect:
    """How errors are worded on a path that no route has taken yet."""
    if path in COHERE_PATHS:
        return COHERE
    if path == TEI_PATH:
        return TEI
    if path.startswith(MANAGEMENT_PREFIX):
        return MANAGEMENT
    if path == "/v2" or path.startswith("/v2/"):
        return KSERVE
    return ERRORS
