"""What the server and its models are and how they stand, as KServe's messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf import json_format  # type: ignore[import-untyped]
from tritonclient.grpc import service_pb2 as pb

from argosy.api.kserve.grpc.exchange import Exchange
from argosy.api.kserve.grpc.messages import parse
from argosy.api.kserve.naming import naming_version
from argosy.core.errors import NotFound, Unavailable
from argosy.server.admission.drain import Drain
from argosy.server.catalog.board import StatusBoard
from argosy.server.catalog.catalog import Catalog, ServedModel
from argosy.server.dataplane.infer import TensorInference, check_version


class ModelMethods:
    """Health, metadata, configuration and statistics."""

    def __init__(self, catalog: Catalog, board: StatusBoard, drain: Drain, tensors: TensorInference) -> None:
        self._catalog = catalog
        self._board = board
        self._drain = drain
        self._tensors = tensors

    @property
    def is_ready(self) -> bool:
        """Whether every model answers and new requests are taken."""
        return self._board.ready and not self._drain.draining

    async def server_live(self, _exchange: Exchange, _data: bytes) -> bytes:
        """True as long as this process answers."""
        return _bytes(pb.ServerLiveResponse(live=True))

    async def server_ready(self, _exchange: Exchange, _data: bytes) -> bytes:
        """Whether every model answers."""
        return _bytes(pb.ServerReadyResponse(ready=self.is_ready))

    async def model_ready(self, exchange: Exchange, data: bytes) -> bytes:
        """Whether one model takes requests; an unknown one, or an unknown version, does not."""
        asked = parse(pb.ModelReadyRequest, data)
        check_version(asked.version)
        try:
            model = self._find(exchange, asked.name)
            self._board.check(model.root)
            if asked.version:
                # Only the runtime knows which versions it has.
                await self._tensors.metadata(model, asked.version)
        except (NotFound, Unavailable):
            return _bytes(pb.ModelReadyResponse(ready=False))
        return _bytes(pb.ModelReadyResponse(ready=True))

    async def server_metadata(self, _exchange: Exchange, _data: bytes) -> bytes:
        """Name, version and extensions of the runtime, as far as they are passed on."""
        return _message(pb.ServerMetadataResponse(), await self._tensors.server_metadata())

    async def model_metadata(self, exchange: Exchange, data: bytes) -> bytes:
        """Tensors and versions of a model."""
        asked = parse(pb.ModelMetadataRequest, data)
        model = self._find(exchange, asked.name)
        with naming_version(model, asked.version):
            return _message(pb.ModelMetadataResponse(), await self._tensors.metadata(model, asked.version))

    async def model_config(self, exchange: Exchange, data: bytes) -> bytes:
        """Configuration of a model."""
        asked = parse(pb.ModelConfigRequest, data)
        model = self._find(exchange, asked.name)
        with naming_version(model, asked.version):
            return _message(pb.ModelConfigResponse(), {"config": await self._tensors.config(model, asked.version)})

    async def model_statistics(self, exchange: Exchange, data: bytes) -> bytes:
        """Counts and durations of a model, or of every model."""
        asked = parse(pb.ModelStatisticsRequest, data)
        if not asked.name:
            return _message(pb.ModelStatisticsResponse(), await self._tensors.statistics())
        model = self._find(exchange, asked.name)
        with naming_version(model, asked.version):
            return _message(pb.ModelStatisticsResponse(), await self._tensors.statistics(model, asked.version))

    def _find(self, exchange: Exchange, name: str) -> ServedModel:
        model = self._catalog.get(name)
        exchange.model = model.root
        return model


def _message(message: Any, data: Mapping[str, Any]) -> bytes:
    # A newer runtime may tell more than this message has room for.
    return _bytes(json_format.ParseDict(data, message, ignore_unknown_fields=True))


def _bytes(message: Any) -> bytes:
    data: bytes = message.SerializeToString()
    return data
