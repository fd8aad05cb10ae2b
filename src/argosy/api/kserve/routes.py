"""The routes of the KServe v2 dialect over REST, the busiest first.

There are none for shared memory, logging and trace settings: they would open the server's memory and files.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import msgspec

from argosy.api.http.bodies import FieldFact
from argosy.api.http.routes import Endpoint, RouteSpec
from argosy.api.kserve import messages
from argosy.api.kserve.errors import ERRORS, KServeError
from argosy.api.kserve.generate import GenerateRoutes
from argosy.api.kserve.generation import LanguageModels
from argosy.api.kserve.infer import InferRoute
from argosy.api.kserve.models import ModelRoutes
from argosy.api.kserve.naming import ModelPaths
from argosy.api.kserve.repository import RepositoryRoutes
from argosy.api.kserve.server import ServerRoutes
from argosy.server.admission.drain import Drain
from argosy.server.catalog.board import StatusBoard
from argosy.server.catalog.catalog import Catalog
from argosy.server.control.repository import ModelRepository
from argosy.server.dataplane.plane import DataPlane

_TAG = "KServe v2"
_MODEL = "/v2/models/{model}"
_VERSION = "/v2/models/{model}/versions/{version}"
_REPOSITORY = "/v2/repository"
_RUNTIME_ERRORS = (502, 504)


class KServeRoutes:
    """Builds the dialect's routes over the server.

    Args:
        repository: None where models can be neither loaded nor unloaded.
    """

    def __init__(
        self,
        catalog: Catalog,
        board: StatusBoard,
        plane: DataPlane,
        drain: Drain,
        repository: ModelRepository | None = None,
    ) -> None:
        paths = ModelPaths(catalog)
        self._infer = InferRoute(paths, plane.tensors)
        self._generate = GenerateRoutes(paths, plane.tensors, LanguageModels(plane.generator, plane.tensors))
        self._models = ModelRoutes(paths, board, plane.tensors)
        self._server = ServerRoutes(board, drain, plane.tensors)
        self._repository = RepositoryRoutes(repository)

    def routes(self) -> list[RouteSpec]:
        """All of them."""
        server = self._server
        return [
            *self._calls(),
            _get("/v2/health/live", server.live, "Whether the process answers", messages.ServerLive),
            _get("/v2/health/ready", server.ready, "Whether every model answers", messages.ServerReady),
            _get("/v2", server.metadata, "Server metadata", messages.ServerMetadata),
            _get(
                "/v2/models/stats", self._models.all_statistics, "Statistics of every model", messages.ModelStatistics
            ),
            *self._questions(),
            *self._orders(),
        ]

    def _orders(self) -> list[RouteSpec]:
        """What operators say."""
        orders = self._repository
        index = self._order("/index", orders.index, "List the models", messages.IndexEntry, messages.IndexBody)
        return [
            replace(index, many=True),
            self._order("/models/{model}/load", orders.load, "Load a model", messages.Done, messages.LoadBody),
            self._order("/models/{model}/unload", orders.unload, "Unload a model", messages.Done, messages.UnloadBody),
        ]

    def _order(
        self,
        path: str,
        endpoint: Endpoint,
        summary: str,
        reply: type[msgspec.Struct],
        body: type[msgspec.Struct],
    ) -> RouteSpec:
        return RouteSpec(
            "POST",
            f"{_REPOSITORY}{path}",
            endpoint,
            summary,
            _TAG,
            ERRORS,
            reply,
            body,
            optional_body=True,
            error=KServeError,
            fields=tuple(self._repository.fields(body)),
        )

    def _calls(self) -> list[RouteSpec]:
        """What makes a model work."""
        infer, generate, body = self._infer, self._generate, messages.GenerateBody
        whole = _call("/generate", generate.create, "Values to values", body, messages.GenerateReply, generate.fields())
        pieces = replace(
            whole,
            path="/generate_stream",
            endpoint=generate.stream,
            summary="Values to a stream of values",
            reply="text/event-stream",
        )
        tensors = _call(
            "/infer", infer.create, "Tensors to tensors", messages.InferBody, messages.InferReply, infer.fields()
        )
        calls = (replace(tensors, binary=True), whole, pieces)
        return [replace(call, path=f"{base}{call.path}") for base in (_MODEL, _VERSION) for call in calls]

    def _questions(self) -> list[RouteSpec]:
        """What a model is like."""
        models = self._models
        asked: list[tuple[str, Endpoint, str, type[msgspec.Struct]]] = [
            ("/ready", models.ready, "Whether a model answers", messages.ModelReady),
            ("/config", models.config, "Model configuration", messages.ModelConfiguration),
            ("/stats", models.statistics, "Statistics of a model", messages.ModelStatistics),
            ("", models.metadata, "Model metadata", messages.ModelMetadata),
        ]
        return [
            _get(f"{base}{path}", endpoint, summary, reply)
            for base in (_VERSION, _MODEL)
            for path, endpoint, summary, reply in asked
        ]


def _get(path: str, endpoint: Endpoint, summary: str, reply: type[msgspec.Struct]) -> RouteSpec:
    return RouteSpec("GET", path, endpoint, summary, _TAG, ERRORS, reply, error=KServeError, statuses=_RUNTIME_ERRORS)


def _call(
    path: str,
    endpoint: Endpoint,
    summary: str,
    body: type[msgspec.Struct],
    reply: type[msgspec.Struct],
    fields: Iterable[FieldFact],
) -> RouteSpec:
    told = tuple(fields)
    return RouteSpec("POST", path, endpoint, summary, _TAG, ERRORS, reply, body, error=KServeError, fields=told)
