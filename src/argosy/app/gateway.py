"""Wiring of one gateway worker: `python -m argosy.app.gateway`, with its configuration on standard input."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import logging
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import uvicorn
import uvloop
from fastapi import FastAPI

from argosy import __version__
from argosy.api.gateway import GatewayParts, create_gateway
from argosy.api.http.exchange import HttpOptions
from argosy.app.worker_configuration import WorkerConfiguration
from argosy.core.status import RuntimeStatus
from argosy.runtime.triton.client import TritonClient
from argosy.runtime.triton.scrape import scrape
from argosy.server.access.anyone import OpenAccess
from argosy.server.access.contract import Authenticator
from argosy.server.access.keys import StaticKeys
from argosy.server.admission.admission import Admission
from argosy.server.admission.drain import Drain
from argosy.server.admission.lane import Limits
from argosy.server.catalog.board import StatusBoard
from argosy.server.catalog.catalog import Catalog
from argosy.server.control.link import StatusFollower
from argosy.server.dataplane.plane import DataPlane
from argosy.server.text.templates import ChatTemplates
from argosy.store.entries import read_entry
from argosy.telemetry.access import AccessLog
from argosy.telemetry.logs import configure
from argosy.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

_TCP_USER_TIMEOUT = 18
_UNREAD_MILLISECONDS = 30_000
_CLOSE_SECONDS = 2.0


class Worker:
    """One gateway worker's objects and their life."""

    def __init__(self, configuration: WorkerConfiguration) -> None:
        self._configuration = configuration
        self._entries = [read_entry(Path(directory)) for directory in configuration.entries]
        self._metrics = Metrics()
        self._board = StatusBoard(on_update=self._metrics.runtime_changed)
        self._drain = Drain()
        self._templates = ChatTemplates()
        self._follower = StatusFollower(Path(configuration.link), self._on_status)
        self._client = TritonClient(on_suspect=self._follower.suspect)
        self._connecting: set[asyncio.Task[None]] = set()

    def app(self) -> FastAPI:
        """The gateway, ready to be served."""
        configuration = self._configuration
        limits = Limits(
            slots=configuration.max_concurrent,
            queue=configuration.max_queue,
            queue_bytes=configuration.max_queue_bytes,
            max_timeout=configuration.request_timeout,
        )
        admission = Admission(self._metrics, limits, workers=configuration.workers)
        parts = GatewayParts(
            catalog=Catalog(self._entries),
            board=self._board,
            plane=DataPlane.over(self._client, self._board, admission, self._metrics),
            templates=self._templates,
            authenticator=_authenticator(configuration),
            admission=admission,
            drain=self._drain,
            metrics=self._metrics,
            release=__version__,
            access_log=AccessLog() if configuration.log_requests else None,
            options=HttpOptions(max_body_bytes=configuration.max_body_bytes),
            extra_metrics=self._runtime_metrics,
        )
        return create_gateway(parts, lifespan=self._lifespan)

    async def serve(self) -> None:
        """Serve until TERM, then drain; a second TERM ends the drain."""
        listener = socket.socket(fileno=self._configuration.listener)
        # A client that stops reading is dropped by the kernel even after its request has been ended.
        listener.setsockopt(socket.IPPROTO_TCP, _TCP_USER_TIMEOUT, _UNREAD_MILLISECONDS)
        server = _Server(
            uvicorn.Config(
                self.app(),
                loop="uvloop",
                http="httptools",
                ws="none",
                access_log=False,
                server_header=False,
                # There is no proxy of ours in front; a header must not decide what the log says of the client.
                proxy_headers=False,
                log_config=None,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=int(_CLOSE_SECONDS),
                lifespan="on",
            )
        )
        leaving = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._on_term, leaving)
        loop.add_signal_handler(signal.SIGINT, self._on_term, leaving)
        ending = asyncio.create_task(self._end(leaving, server), name="drain")
        try:
            await server.serve(sockets=[listener])
        finally:
            ending.cancel()
            await asyncio.gather(ending, return_exceptions=True)

    def _on_term(self, leaving: asyncio.Event) -> None:
        if leaving.is_set():
            self._drain.hurry()
        leaving.set()

    async def _end(self, leaving: asyncio.Event, server: uvicorn.Server) -> None:
        await leaving.wait()
        cut = await self._drain.finish(self._configuration.drain_timeout)
        if cut:
            log.warning("%d requests did not finish within the drain time and were ended with an error.", cut)
        server.should_exit = True

    @contextlib.asynccontextmanager
    async def _lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        await self._templates.start(self._entries)
        await self._follower.start()
        try:
            yield
        finally:
            await self._follower.stop()
            await self._client.close()
            await self._templates.stop()

    def _on_status(self, status: RuntimeStatus) -> None:
        task = asyncio.ensure_future(self._client.connect(status.address))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)
        self._board.update(status)

    async def _runtime_metrics(self) -> bytes:
        return await scrape(self._board.status.metrics_url)


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the drain comes first."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _authenticator(configuration: WorkerConfiguration) -> Authenticator:
    return StaticKeys(configuration.keys) if configuration.keys else OpenAccess()


def main() -> None:
    """Read the configuration and serve."""
    configuration = WorkerConfiguration.from_mapping(json.load(sys.stdin))
    configure("json" if configuration.log_format == "json" else "console", configuration.log_level)
    worker = Worker(configuration)
    # What exists now stays; without it in every full collection those cost a tenth of what they did.
    gc.collect()
    gc.freeze()
    uvloop.run(worker.serve())


if __name__ == "__main__":
    main()
