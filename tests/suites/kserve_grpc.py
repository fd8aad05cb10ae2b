"""A gRPC server of the gateway in this process, over any runtime, for every test of the gRPC wire."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc.aio
from tritonclient.grpc import service_pb2 as pb

from argosy.api.kserve.grpc.exchange import EdgeParts, GrpcOptions
from argosy.api.kserve.grpc.server import GrpcServer
from argosy.api.kserve.grpc.service import ServiceParts
from argosy.core.status import ModelState, ModelStatus, RuntimeState, RuntimeStatus
from argosy.runtime.contract import InferenceClient, InferRequest, InferResponse
from argosy.runtime.memory import MemoryRuntime
from argosy.server.access.anyone import OpenAccess
from argosy.server.access.contract import Authenticator
from argosy.server.admission.admission import Admission
from argosy.server.admission.drain import Drain
from argosy.server.admission.lane import Limits
from argosy.server.catalog.board import StatusBoard
from argosy.server.catalog.catalog import Catalog
from argosy.server.control.repository import ModelRepository
from argosy.server.dataplane.plane import DataPlane
from argosy.store.entries import ModelEntry
from argosy.telemetry.access import AccessLog
from argosy.telemetry.metrics import Metrics
from tests.suites.echo_models import echo_anything, echo_chat, echo_tensors
from tests.suites.in_thread import served

PREFIX = "/inference.GRPCInferenceService/"


class Watched:
    """An `InferenceClient` that counts what reaches the runtime.

    Attributes:
        calls: requests to `infer` and `stream`, in order of arrival.
        running: those under way.
    """

    def __init__(self, client: InferenceClient) -> None:
        self._client = client
        self.calls: list[InferRequest] = []
        self.running = 0

    async def infer(self, request: InferRequest) -> InferResponse:
        self.calls.append(request)
        self.running += 1
        try:
            return await self._client.infer(request)
        finally:
            self.running -= 1

    async def stream(self, request: InferRequest) -> AsyncIterator[InferResponse]:
        self.calls.append(request)
        self.running += 1
        try:
            async with contextlib.aclosing(self._client.stream(request)) as answers:  # type: ignore[type-var]
                async for answer in answers:
                    yield answer
        finally:
            self.running -= 1

    async def server_metadata(self) -> Mapping[str, Any]:
        return await self._client.server_metadata()

    async def model_metadata(self, model: str, version: str = "") -> Mapping[str, Any]:
        return await self._client.model_metadata(model, version)

    async def model_config(self, model: str, version: str = "") -> Mapping[str, Any]:
        return await self._client.model_config(model, version)

    async def model_statistics(self, model: str = "", version: str = "") -> Mapping[str, Any]:
        return await self._client.model_statistics(model, version)

    async def connect(self, address: str) -> None:
        await self._client.connect(address)

    async def close(self) -> None:
        await self._client.close()


@dataclass
class GrpcUnderTest:
    """A listening server and the parts a test may want to touch."""

    address: str
    server: GrpcServer
    client: Watched
    board: StatusBoard
    admission: Admission
    drain: Drain
    metrics: Metrics
    channel: grpc.aio.Channel
    log: list[dict[str, Any]] = field(default_factory=list)

    async def ask(self, method: str, request: Any, answer: Any, **options: Any) -> Any:
        """One unary call."""
        data = await self.raw(method)(request.SerializeToString(), **{"timeout": 20, **options})
        return answer.FromString(data)

    def raw(self, method: str) -> Any:
        """A unary call of bytes."""
        return self.channel.unary_unary(PREFIX + method)

    async def infer(self, request: Any, **options: Any) -> Any:
        """`ModelInfer`."""
        data = await self.raw("ModelInfer")(request.SerializeToString(), **{"timeout": 20, **options})
        return pb.ModelInferResponse.FromString(data)

    def stream(self, **options: Any) -> Any:
        """`ModelStreamInfer`, to be written to and read from."""
        return self.channel.stream_stream(
            PREFIX + "ModelStreamInfer",
            request_serializer=pb.ModelInferRequest.SerializeToString,
            response_deserializer=pb.ModelStreamInferResponse.FromString,
        )(**{"timeout": 20, **options})

    async def settled(self) -> None:
        """Wait until nothing is under way any more."""
        async with asyncio.timeout(10):
            while self.client.running or self.drain.in_flight or any(self._used()):
                await asyncio.sleep(0.01)

    def _used(self) -> Iterator[int]:
        return (self.admission.lane(call.model).used for call in self.client.calls)


def entries(store: Path) -> list[ModelEntry]:
    """Models of every shape: any tensors, batches of text, streams of text fast and slow."""
    return [
        echo_anything(store),
        echo_tensors(store, "echo", max_tokens=20),
        echo_chat(store, "parrot"),
        echo_chat(store, "slow-parrot", parameters={"delay_ms": "50", "slots": "1"}),
        echo_chat(store, "failing-parrot", parameters={"fail_after": "3"}),
    ]


@contextlib.asynccontextmanager
async def serving(
    client: InferenceClient,
    served: Sequence[ModelEntry],
    *,
    status: RuntimeStatus | None = None,
    authenticator: Authenticator | None = None,
    limits: Limits | None = None,
    options: GrpcOptions | None = None,
    repository: ModelRepository | None = None,
    port: int = 0,
) -> AsyncIterator[GrpcUnderTest]:
    """A listening server over `client`; `gpt-parrot` is another name of `parrot`."""
    metrics, drain, watched = Metrics(), Drain(), Watched(client)
    board = StatusBoard(metrics.runtime_changed)
    models = {entry.name: ModelStatus(entry.name, ModelState.READY) for entry in served}
    board.update(status or RuntimeStatus(RuntimeState.READY, generation=1, models=models))
    admission = Admission(metrics, limits)
    edge = EdgeParts(authenticator or OpenAccess(), admission, drain, metrics, AccessLog(), options or GrpcOptions())
    aliases = {"gpt-parrot": "parrot"} if "parrot" in models else {}
    tensors = DataPlane.over(watched, board, admission, metrics).tensors
    server = GrpcServer(ServiceParts(Catalog(served, aliases), board, tensors, edge, repository))
    address = f"127.0.0.1:{await server.start('127.0.0.1', port)}"
    try:
        async with grpc.aio.insecure_channel(address, options=(("grpc.use_local_subchannel_pool", 1),)) as channel:
            with _logged() as log:
                yield GrpcUnderTest(address, server, watched, board, admission, drain, metrics, channel, log)
    finally:
        await server.stop(0)


@contextlib.asynccontextmanager
async def over_memory(store: Path, **options: Any) -> AsyncIterator[GrpcUnderTest]:
    """A listening server over the in-process runtime."""
    served = entries(store)
    runtime = MemoryRuntime(served)
    await runtime.start()
    try:
        async with serving(runtime, served, **options) as ready:
            yield ready
    finally:
        await runtime.stop()


def in_thread(store: Path, **options: Any) -> AbstractContextManager[str]:
    """The address of a listening server in a thread of its own; `options` are those of `over_memory`."""

    @contextlib.asynccontextmanager
    async def addressed() -> AsyncIterator[str]:
        async with over_memory(store, **options) as server:
            yield server.address

    return served(addressed())


class _Collector(logging.Handler):
    def __init__(self, log: list[dict[str, Any]]) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        self._log.append(record.fields)  # type: ignore[attr-defined]


@contextlib.contextmanager
def _logged() -> Iterator[list[dict[str, Any]]]:
    """The access log's records as they are written."""
    log: list[dict[str, Any]] = []
    logger, handler = logging.getLogger("argosy.access"), _Collector(log)
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield log
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
