"""The methods of `inference.GRPCInferenceService` and what happens before and after each.

Left out on purpose, and therefore UNIMPLEMENTED like any method that does not exist: shared memory, CUDA shared
memory, trace and log settings. They would open the server's memory and files to clients.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio

from argosy.api.kserve.grpc import health
from argosy.api.kserve.grpc.errors import code_of, details_of, trailers_of
from argosy.api.kserve.grpc.exchange import Caller, EdgeParts, Exchange, RequestIds
from argosy.api.kserve.grpc.infer import InferMethod
from argosy.api.kserve.grpc.models import ModelMethods
from argosy.api.kserve.grpc.repository import RepositoryMethods
from argosy.api.kserve.grpc.stream import Conversation, StreamLimits
from argosy.core.errors import ArgosyError, RequestCancelled, RequestTimeout
from argosy.server.catalog.board import StatusBoard
from argosy.server.catalog.catalog import Catalog
from argosy.server.control.repository import ModelRepository
from argosy.server.dataplane.infer import TensorInference

SERVICE = "inference.GRPCInferenceService"
_PREFIX = f"/{SERVICE}/"
_STREAM = f"{_PREFIX}ModelStreamInfer"
_OPEN_SECONDS = 2.0
"""What anybody may ask has a message of a few bytes, which comes with the call."""

Method = Callable[[Exchange, bytes], Awaitable[bytes]]
"""A serialised request to a serialised answer."""


@dataclass(frozen=True, slots=True)
class ServiceParts:
    """What the service is made of.

    Attributes:
        repository: takes orders to load and unload; None where nothing does.
    """

    catalog: Catalog
    board: StatusBoard
    tensors: TensorInference
    edge: EdgeParts
    repository: ModelRepository | None = None


class GrpcService:
    """Handlers for a gRPC server."""

    def __init__(self, parts: ServiceParts) -> None:
        self._parts = parts
        self._edge = parts.edge
        self._ids = RequestIds()
        self._infer = InferMethod(parts.catalog, parts.tensors)
        self._models = ModelMethods(parts.catalog, parts.board, parts.edge.drain, parts.tensors)
        self._repository = RepositoryMethods(parts.repository)
        self._health = health.HealthMethods(self._models, frozenset({SERVICE.encode()}))

    def handlers(self) -> tuple[grpc.GenericRpcHandler, ...]:
        """Everything there is to call."""
        models, repository = self._models, self._repository
        methods = {
            "ServerLive": self._open(f"{_PREFIX}ServerLive", models.server_live),
            "ServerReady": self._open(f"{_PREFIX}ServerReady", models.server_ready),
            "ModelReady": self._guarded("ModelReady", models.model_ready),
            "ServerMetadata": self._guarded("ServerMetadata", models.server_metadata),
            "ModelMetadata": self._guarded("ModelMetadata", models.model_metadata),
            "ModelConfig": self._guarded("ModelConfig", models.model_config),
            "ModelStatistics": self._guarded("ModelStatistics", models.model_statistics),
            "ModelInfer": self._guarded("ModelInfer", self._infer.answer),
            "ModelStreamInfer": grpc.stream_stream_rpc_method_handler(self._stream),
            "RepositoryIndex": self._guarded("RepositoryIndex", repository.index),
            "RepositoryModelLoad": self._guarded("RepositoryModelLoad", repository.load),
            "RepositoryModelUnload": self._guarded("RepositoryModelUnload", repository.unload),
        }
        check = {"Check": self._open(f"/{health.SERVICE}/Check", self._health.check)}
        return (
            grpc.method_handlers_generic_handler(SERVICE, methods),
            grpc.method_handlers_generic_handler(health.SERVICE, check),
        )

    def _open(self, path: str, method: Method) -> Any:
        """A method for anybody, at any time."""

        async def work(exchange: Exchange, context: Any) -> bytes:
            return await method(exchange, await _message(context, _OPEN_SECONDS))

        return self._unary(path, work)

    def _guarded(self, name: str, method: Method) -> Any:
        """A method for callers with a key."""
        seconds = self._edge.options.message_seconds

        async def work(exchange: Exchange, context: Any) -> bytes:
            await exchange.admit()
            return await method(exchange, await _message(context, seconds))

        return self._unary(_PREFIX + name, work)

    def _unary(self, path: str, work: Callable[[Exchange, Any], Awaitable[bytes]]) -> Any:
        """A method with one answer, which reads its one message itself."""

        async def handle(_requests: object, context: Any) -> bytes:
            exchange = self._begin(path, Caller(context))
            outcome = await exchange.run(lambda exchange: work(exchange, context))
            return await self._finish(context, exchange, outcome)

        # gRPC reads the message of a unary method before it calls it: for strangers too, and for as long as they like.
        return grpc.stream_unary_rpc_method_handler(handle)

    async def _stream(self, _requests: object, context: Any) -> None:
        caller = Caller(context)
        opening = self._begin(_STREAM, caller)
        try:
            await opening.admit()
        except ArgosyError as error:
            await self._abort(context, await opening.refuse(error), opening.request_id)
        parts, options = self._parts, self._edge.options
        conversation = Conversation(
            context,
            lambda: self._begin(_STREAM, caller),
            Exchange.admit,
            parts.catalog,
            parts.tensors,
            StreamLimits(options.stream_requests, options.send_seconds),
        )
        try:
            await conversation.run()
        except ArgosyError as error:
            await self._abort(context, error, opening.request_id)
        context.set_trailing_metadata((("x-request-id", opening.request_id),))

    def _begin(self, path: str, caller: Caller) -> Exchange:
        return Exchange(self._edge, caller, path, caller.request_id or self._ids.next())

    async def _finish(self, context: Any, exchange: Exchange, outcome: bytes | ArgosyError) -> bytes:
        if isinstance(outcome, ArgosyError):
            await self._abort(context, outcome, exchange.request_id)
            raise outcome  # never reached: aborting raises
        context.set_trailing_metadata((("x-request-id", exchange.request_id),))
        return outcome

    async def _abort(self, context: Any, error: ArgosyError, request_id: str) -> None:
        trailers = (("x-request-id", request_id), *trailers_of(error))
        try:
            await context.abort(code_of(error), details_of(error), trailers)
        except grpc.aio.AbortError:
            # How a call ends well.
            raise
        except grpc.aio.BaseError as failure:
            # Nobody is left to be told.
            raise asyncio.CancelledError from failure


async def _message(context: Any, seconds: float) -> bytes:
    """The one message of a call.

    Raises:
        RequestTimeout: it did not arrive in time.
        RequestCancelled: the client left, or ended the call without one.
    """
    try:
        async with asyncio.timeout(seconds):
            data = await context.read()
    except TimeoutError:
        raise RequestTimeout(f"The message did not arrive within {seconds:g} s. Send it faster.") from None
    except grpc.aio.BaseError:
        raise RequestCancelled("The client left.") from None
    if data is grpc.aio.EOF:
        raise RequestCancelled("The call ended without a message.")
    message: bytes = data
    return message
