"""Routes that call their endpoint with the `Exchange` itself and still document themselves.

FastAPI routes and writes `/openapi.json`; its dependency solving and validation are left out of the way of
requests, because `bodies` has already done that work once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from argosy.api.http.bodies import FieldFact
from argosy.api.http.edge import EXCHANGE
from argosy.api.http.errors import ErrorDialect
from argosy.api.http.exchange import Exchange

Endpoint = Callable[[Exchange], Awaitable[None]]

_REFERENCE = "#/components/schemas/{name}"
_EVERY_ERROR = (400, 401, 403, 404, 405, 431, 500, 503)
_BODY_ERRORS = (408, 413, 415, 502, 504)
_BINARY: Mapping[str, Any] = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
# A schema would be that of one event, whose data is JSON or a word.
_EVENTS: Mapping[str, Any] = {"text/event-stream": {}}
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
class QueryParameter:
    """A parameter in the address that may be given any number of times."""

    name: str
    description: str


@dataclass(frozen=True, slots=True)
class RouteSpec:
    """One route of a dialect.

    Attributes:
        path: may hold `{name}` parts; `exchange.path_params` has them.
        reply: the answer's struct, or its media type when it is not JSON.
        errors: how its errors are worded.
        streams: whether the answer may also be an event stream.
        many: whether the answer is a list of `reply`.
        binary: whether tensors may follow the JSON of body and answer as bytes.
        optional_body: whether the body may be left out.
        error: the struct of its errors.
        statuses: what it may answer beside the statuses that every route, or every route with a body, has.
        fields: what becomes of each field of the body.
        query: what the address may say behind its question mark.
        status: of the answer when all is well.

    Raises:
        ValueError: a field of the body is left out of `fields`.
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
    many: bool = False
    binary: bool = False
    optional_body: bool = False
    error: type[msgspec.Struct] = ErrorReply
    statuses: tuple[int, ...] = ()
    fields: tuple[FieldFact, ...] = ()
    query: tuple[QueryParameter, ...] = ()
    status: int = 200

    def __post_init__(self) -> None:
        told = {fact.name for fact in self.fields}
        silent = sorted(set(self.body.__struct_encode_fields__) - told) if self.body is not None else []
        if silent:
            raise ValueError(f"The route {self.path} does not say what becomes of {', '.join(silent)}.")


class DirectRoute(APIRoute):
    """A route without dependency solving.

    Args:
        spec: what it is.
        allowed: every method that its path has.
    """

    def __init__(self, spec: RouteSpec, allowed: Sequence[str] = ()) -> None:
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
        self.fixed = "{" not in spec.path
        self._allowed = ", ".join(allowed or (spec.method,))

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's form
        """Call the endpoint."""
        if scope["method"] != self.spec.method:
            raise HTTPException(405, headers={"Allow": self._allowed})
        exchange: Exchange = scope[EXCHANGE]
        exchange.route = self.spec.path
        exchange.errors = self.spec.errors
        await self.spec.endpoint(exchange)


def schemas(routes: list[RouteSpec]) -> dict[str, Any]:
    """The OpenAPI components that the routes' structs need, by name."""
    kinds = {kind for spec in routes for kind in (spec.body, spec.reply, spec.error) if _is_struct(kind)}
    _, components = msgspec.json.schema_components(
        sorted(kinds, key=lambda kind: kind.__name__), ref_template=_REFERENCE
    )
    return dict(components)


def _is_struct(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _responses(spec: RouteSpec) -> dict[int | str, dict[str, Any]]:
    statuses = {*_EVERY_ERROR, *(_BODY_ERRORS if spec.body is not None else ()), *spec.statuses}
    error = {"content": _json(spec.error, spec.errors.media_type.decode())}
    found: dict[int | str, dict[str, Any]] = {status: dict(error) for status in sorted(statuses)}
    content = _reply(spec)
    if spec.streams:
        content = {**content, **_EVENTS}
    return {spec.status: {"content": content}, **found}


def _reply(spec: RouteSpec) -> Mapping[str, Any]:
    if spec.reply in _EVENTS:
        return _EVENTS
    if isinstance(spec.reply, str):
        return {spec.reply: {"schema": {"type": "string"}}}
    content = _json(spec.reply)
    if spec.many:
        return {media: {"schema": {"type": "array", "items": found["schema"]}} for media, found in content.items()}
    return {**content, **_BINARY} if spec.binary else content


def _extra(spec: RouteSpec) -> dict[str, Any]:
    extra: dict[str, Any] = {}
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in _path_names(spec.path)
    ]
    parameters += [
        {
            "name": parameter.name,
            "in": "query",
            "required": False,
            "description": parameter.description,
            "schema": {"type": "array", "items": {"type": "string"}},
        }
        for parameter in spec.query
    ]
    if spec.body is not None:
        content = {**_json(spec.body), **_BINARY} if spec.binary else _json(spec.body)
        extra["requestBody"] = {"required": not spec.optional_body, "content": content}
        parameters.append(_TIMEOUT_HEADER)
    if parameters:
        extra["parameters"] = parameters
    return extra


def _path_names(path: str) -> list[str]:
    return [part[1:-1].partition(":")[0] for part in path.split("/") if part.startswith("{")]


def _json(kind: type[msgspec.Struct], media_type: str = "application/json") -> Mapping[str, Any]:
    return {media_type: {"schema": {"$ref": _REFERENCE.format(name=kind.__name__)}}}
