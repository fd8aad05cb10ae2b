"""Routes that call their endpoint with the `Exchange` itself and still document themselves.

FastAPI routes and writes `/openapi.json`; its dependency solving and validation are left out of the way of
requests, because `bodies` has already done that work once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from argosy.api.http.edge import EXCHANGE
from argosy.api.http.errors import ErrorDialect
from argosy.api.http.exchange import Exchange

Endpoint = Callable[[Exchange], Awaitable[None]]

_REFERENCE = "#/components/schemas/{name}"
_EVERY_ERROR = (400, 401, 403, 404, 405, 431, 500, 503)
_BODY_ERRORS = (408, 413, 415, 502, 504)
_TIMEOUT_HEADER = {
    "name": "x-request-timeout-ms",
    "in": "header",
    "required": False,
    "description": "Milliseconds after which the request ends with 504, waiting included.",
    "schema": {"type": "integer", "minimum": 1},
}


class ErrorDetail(msgspec.Struct, frozen=True):
    """The error as the OpenAI SDK reads it."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorReply(msgspec.Struct, frozen=True):
    """Every error: OpenAI's nested form and NIM's flat one."""

    error: ErrorDetail
    object: str
    message: str
    type: str
    param: str | None
    code: int
    request_id: str


@dataclass(frozen=True, slots=True)
class RouteSpec:
    """One route of a dialect.

    Attributes:
        path: may hold `{name}` parts; `exchange.path_params` has them.
        reply: the answer's struct, or its media type when it is not JSON.
        streams: whether the answer may also be an event stream.
        errors: how its errors are worded; None for routes that only answer.
    """

    method: str
    path: str
    endpoint: Endpoint
    summary: str
    tag: str
    errors: ErrorDialect
    reply: type[msgspec.Struct] | str
    body: type[msgspec.Struct] | None = None
    streams: bool = False


class DirectRoute(APIRoute):
    """A route without dependency solving."""

    def __init__(self, spec: RouteSpec) -> None:
        super().__init__(
            spec.path,
            spec.endpoint,
            methods=[spec.method],
            summary=spec.summary,
            tags=[spec.tag],
            response_model=None,
            responses=_responses(spec),
            openapi_extra=_extra(spec),
        )
        self.spec = spec
        self._fixed = None if "{" in spec.path else spec.path

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether the path, and the method, are this route's."""
        if self._fixed is None or scope["path"] == self._fixed:
            return super().matches(scope)
        return Match.NONE, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the endpoint."""
        if scope["method"] != self.spec.method:
            await super().handle(scope, receive, send)
            return
        exchange: Exchange = scope[EXCHANGE]
        exchange.route = self.spec.path
        exchange.errors = self.spec.errors
        await self.spec.endpoint(exchange)


def schemas(routes: list[RouteSpec]) -> dict[str, Any]:
    """The OpenAPI components that the routes' structs need, by name."""
    kinds = {ErrorReply} | {kind for spec in routes for kind in (spec.body, spec.reply) if _is_struct(kind)}
    _, components = msgspec.json.schema_components(
        sorted(kinds, key=lambda kind: kind.__name__), ref_template=_REFERENCE
    )
    return dict(components)


def _is_struct(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _responses(spec: RouteSpec) -> dict[int | str, dict[str, Any]]:
    statuses = (*_EVERY_ERROR, *_BODY_ERRORS) if spec.body is not None else _EVERY_ERROR
    error = {"content": _json(ErrorReply)}
    found: dict[int | str, dict[str, Any]] = {status: dict(error) for status in sorted(statuses)}
    content = {spec.reply: {"schema": {"type": "string"}}} if isinstance(spec.reply, str) else _json(spec.reply)
    if spec.streams:
        content = {**content, "text/event-stream": {"schema": {"type": "string"}}}
    return {200: {"content": content}, **found}


def _extra(spec: RouteSpec) -> dict[str, Any]:
    extra: dict[str, Any] = {}
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in _path_names(spec.path)
    ]
    if spec.body is not None:
        extra["requestBody"] = {"required": True, "content": _json(spec.body)}
        parameters.append(_TIMEOUT_HEADER)
    if parameters:
        extra["parameters"] = parameters
    return extra


def _path_names(path: str) -> list[str]:
    return [part[1:-1].partition(":")[0] for part in path.split("/") if part.startswith("{")]


def _json(kind: type[msgspec.Struct]) -> Mapping[str, Any]:
    return {"application/json": {"schema": {"$ref": _REFERENCE.format(name=kind.__name__)}}}
