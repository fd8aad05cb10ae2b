"""What a model is and how it stands: metadata, configuration, statistics, readiness."""

from __future__ import annotations

import math

from argosy.api.http.exchange import Exchange
from argosy.api.kserve.naming import ModelPaths, naming_version
from argosy.api.kserve.replies import to_json
from argosy.core.errors import Unavailable
from argosy.server.catalog.board import StatusBoard
from argosy.server.dataplane.infer import TensorInference


class ModelRoutes:
    """Answers with what the runtime says of a model."""

    def __init__(self, paths: ModelPaths, board: StatusBoard, tensors: TensorInference) -> None:
        self._paths = paths
        self._board = board
        self._tensors = tensors

    async def metadata(self, exchange: Exchange) -> None:
        """Its tensors and versions."""
        model, version = self._paths.find(exchange)
        with naming_version(model, version):
            found = await self._tensors.metadata(model, version)
        await exchange.reply(to_json(found))

    async def config(self, exchange: Exchange) -> None:
        """Its configuration."""
        model, version = self._paths.find(exchange)
        with naming_version(model, version):
            found = await self._tensors.config(model, version)
        await exchange.reply(to_json(found))

    async def statistics(self, exchange: Exchange) -> None:
        """Its counts and durations."""
        model, version = self._paths.find(exchange)
        with naming_version(model, version):
            found = await self._tensors.statistics(model, version)
        await exchange.reply(to_json(found))

    async def all_statistics(self, exchange: Exchange) -> None:
        """Counts and durations of every model."""
        await exchange.reply(to_json(await self._tensors.statistics()))

    async def ready(self, exchange: Exchange) -> None:
        """200 when it takes requests; else 503 with the reason."""
        model, version = self._paths.find(exchange)
        try:
            self._board.check(model.root)
            if version:
                # Only the runtime knows which versions it has.
                with naming_version(model, version):
                    await self._tensors.metadata(model, version)
        except Unavailable as error:
            exchange.error = error.code
            body = to_json({"name": model.name, "ready": False, "error": error.message})
            retry_after = str(math.ceil(error.retry_after or 1)).encode()
            await exchange.reply(body, 503, [(b"retry-after", retry_after)])
            return
        await exchange.reply(to_json({"name": model.name, "ready": True}))
