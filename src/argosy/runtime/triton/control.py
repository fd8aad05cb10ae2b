"""The control plane over gRPC: load, unload, index, readiness, statistics. Carries the fence's secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio
from tritonclient.grpc import service_pb2 as pb

from argosy.core.errors import ModelLoadFailed, RuntimeFailure
from argosy.runtime.model_config import ModelConfig, from_message
from argosy.runtime.triton.client import CHANNEL_OPTIONS, SERVICE

RESTRICTED_PREFIX = "triton-grpc-protocol-"
"""What Triton puts before the header name given to `--grpc-restricted-protocol`."""


@dataclass(frozen=True, slots=True)
class ServerIdentity:
    """What a running server says of itself."""

    version: str
    extensions: frozenset[str]


class TritonControl:
    """Calls that only the supervisor makes. Each takes the seconds it may last and raises `RuntimeFailure` after them.

    Args:
        address: `unix:/…` or `host:port`.
        header: name given to `--grpc-restricted-protocol`.
        secret: its value; empty for a Triton without the fence.
    """

    def __init__(self, address: str, *, header: str = "", secret: str = "") -> None:
        self._channel = grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS)
        self._metadata = ((RESTRICTED_PREFIX + header, secret),) if secret else ()

    async def close(self) -> None:
        """Drop the connection; idempotent."""
        await self._channel.close(None)

    async def live(self, within: float) -> bool:
        """Whether the server answers."""
        response = await self._call("ServerLive", pb.ServerLiveRequest(), pb.ServerLiveResponse, within)
        return bool(response.live)

    async def identity(self, within: float) -> ServerIdentity:
        """Version and protocol extensions."""
        request = pb.ServerMetadataRequest()
        response = await self._call("ServerMetadata", request, pb.ServerMetadataResponse, within)
        return ServerIdentity(response.version, frozenset(response.extensions))

    async def ready(self, model: str, within: float) -> bool:
        """Triton's own word on a model; a dead model process does not change it."""
        request = pb.ModelReadyRequest(name=model)
        response = await self._call("ModelReady", request, pb.ModelReadyResponse, within)
        return bool(response.ready)

    async def load(self, model: str, within: float) -> None:
        """Load or reload a model.

        Raises:
            ModelLoadFailed: Triton refused; the message has its words.
            RuntimeFailure: no answer in time.
        """
        request = pb.RepositoryModelLoadRequest(model_name=model)
        try:
            await self._raw("RepositoryModelLoad", request, pb.RepositoryModelLoadResponse, within)
        except grpc.aio.AioRpcError as error:
            if error.code() in {grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE}:
                raise _failure("load", error) from None
            raise ModelLoadFailed(error.details() or "Triton gave no reason.") from None

    async def unload(self, model: str, within: float) -> None:
        """Ask for a model to go; requests it has are finished first. Unknown models are ignored."""
        request = pb.RepositoryModelUnloadRequest(model_name=model)
        await self._call("RepositoryModelUnload", request, pb.RepositoryModelUnloadResponse, within)

    async def index(self, within: float) -> Mapping[str, str]:
        """State of every model in the repository (`READY`, `UNAVAILABLE`, `LOADING`, …), newest version's."""
        request = pb.RepositoryIndexRequest()
        response = await self._call("RepositoryIndex", request, pb.RepositoryIndexResponse, within)
        return {model.name: model.state for model in response.models}

    async def progress(self, within: float) -> Mapping[str, int]:
        """For each loaded model a number that grows whenever it answers or sends a piece.

        Requests that failed do not count: Triton counts those as well that it refused for a model which stands still,
        such as a canary that expired in the model's queue. A model that answers failures only still answers a canary.
        """
        request = pb.ModelStatisticsRequest()
        response = await self._call("ModelStatistics", request, pb.ModelStatisticsResponse, within)
        answered: dict[str, int] = {}
        for model in response.model_stats:
            answered[model.name] = answered.get(model.name, 0) + _answers(model)
        return answered

    async def config(self, model: str, within: float) -> ModelConfig:
        """The config of a loaded model, as Triton completed it."""
        response = await self._call("ModelConfig", pb.ModelConfigRequest(name=model), pb.ModelConfigResponse, within)
        return from_message(response.config)

    async def _call(self, method: str, request: Any, response: Any, within: float) -> Any:
        try:
            return await self._raw(method, request, response, within)
        except grpc.aio.AioRpcError as error:
            raise _failure(method, error) from None

    async def _raw(self, method: str, request: Any, response: Any, within: float) -> Any:
        call = self._channel.unary_unary(SERVICE + method, type(request).SerializeToString, response.FromString)
        return await call(request, timeout=within, metadata=self._metadata)


def _answers(model: Any) -> int:
    inference = model.inference_stats
    pieces = sum(
        item.success.count + item.fail.count + item.empty_response.count for item in model.response_stats.values()
    )
    return int(inference.success.count + model.execution_count + pieces)


def _failure(what: str, error: grpc.aio.AioRpcError) -> RuntimeFailure:
    return RuntimeFailure(f"Triton did not answer '{what}': {error.code().name} {error.details()}")
