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
from dataclasses import replace
from functools import partial
from pathlib import Path

import uvicorn
import uvloop
from fastapi import FastAPI

from argosy import __version__
from argosy.api.gateway import GatewayParts, create_gateway
from argosy.api.http.exchange import HttpOptions
from argosy.api.kserve.grpc.exchange import EdgeParts as GrpcEdgeParts
from argosy.api.kserve.grpc.exchange import GrpcOptions
from argosy.api.kserve.grpc.server import GrpcServer
from argosy.api.kserve.grpc.service import ServiceParts
from argosy.app.http_protocol import JoiningProtocol
from argosy.app.worker_configuration import WorkerConfiguration
from argosy.engines.deployment import Lengths
from argosy.runtime.triton.client import TritonClient
from argosy.runtime.triton.scrape import scrape
from argosy.server.access.anyone import OpenAccess
from argosy.server.access.contract import Authenticator
from argosy.server.access.keys import StaticKeys
from argosy.server.admission.admission import Admission
from argosy.server.admission.drain import Drain
from argosy.server.admission.lane import Limits
from argosy.server.admission.residents import Residents
from argosy.server.catalog.board import StatusBoard
from argosy.server.catalog.catalog import Catalog
from argosy.server.control.link import StatusFollower
from argosy.server.control.linked import LinkedRepository, OrderOptions
from argosy.server.control.messages import Snapshot
from argosy.server.control.roster import Roster
from argosy.server.dataplane.encode import BatchOptions
from argosy.server.dataplane.plane import DataPlane
from argosy.server.jobs.linked import LinkedJobs
from argosy.server.probe.host import probe
from argosy.server.profiles.board import ProfileBoard
from argosy.server.profiles.select import Options
from argosy.server.text.templates import ChatTemplates
from argosy.server.text.tokenize import TextTokenizers
from argosy.telemetry.access import AccessLog
from argosy.telemetry.logs import configure
from argosy.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

_TCP_USER_TIMEOUT = 18
_UNREAD_MILLISECONDS = 30_000
_CLOSE_SECONDS = 2.0
_ORDER_GRACE = 30.0


class Worker:
    """One gateway worker's objects and their life."""

    def __init__(self, configuration: WorkerConfiguration) -> None:
        self._configuration = configuration
        self._metrics = Metrics()
        self._board = StatusBoard(on_update=self._metrics.runtime_changed)
        self._drain = Drain()
        self._templates = ChatTemplates()
        self._tokenizers = TextTokenizers()
        self._catalog = Catalog(aliases=configuration.aliases)
        self._follower = StatusFollower(Path(configuration.link), self._on_snapshot, self._on_lost)
        self._repository = LinkedRepository(self._follower, _order_options(configuration))
        self._client = TritonClient(on_suspect=self._follower.suspect)
        self._connecting: set[asyncio.Task[None]] = set()

        limits = Limits(
            slots=configuration.max_concurrent,
            queue=configuration.max_queue,
            queue_bytes=configuration.max_queue_bytes,
            max_timeout=configuration.request_timeout,
        )
        self._admission = Admission(self._metrics, limits, workers=configuration.workers)
        self._authenticator = _authenticator(configuration)
        self._access_log = AccessLog() if configuration.log_requests else None
        self._residents = self._doors() if configuration.load_on_demand else None
        self._plane = DataPlane.over(
            self._client,
            self._board,
            self._admission,
            self._metrics,
            batches=_batches(configuration),
            residents=self._residents,
        )
        self._grpc = GrpcServer(self._grpc_parts()) if configuration.grpc_port else None
        self._roster = Roster(
            self._catalog,
            self._templates,
            self._board,
            admission=self._admission,
            drain=self._drain,
            report=self._follower.report,
            release=self._client.release,
            drain_seconds=configuration.drain_timeout,
            tokenizers=self._tokenizers,
            lengths=Lengths(configuration.max_model_len, configuration.max_input_length),
            residents=self._residents,
        )

    def app(self) -> FastAPI:
        """The gateway, ready to be served."""
        configuration = self._configuration
        parts = GatewayParts(
            catalog=self._catalog,
            board=self._board,
            plane=self._plane,
            templates=self._templates,
            tokenizers=self._tokenizers,
            authenticator=self._authenticator,
            admission=self._admission,
            drain=self._drain,
            metrics=self._metrics,
            release=__version__,
            repository=self._repository,
            access_log=self._access_log,
            options=HttpOptions(max_body_bytes=configuration.max_body_bytes),
            extra_metrics=self._runtime_metrics,
            profiles=_profiles(configuration, self._catalog),
            jobs=LinkedJobs(self._follower),
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
                http=JoiningProtocol,
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
        if self._residents is not None:
            await self._residents.start()
        await self._follower.start()
        await self._roster.start()
        try:
            if self._grpc is not None:
                await self._grpc.start(self._configuration.grpc_host, self._configuration.grpc_port)
            yield
        finally:
            if self._grpc is not None:
                await self._grpc.stop()
            await self._roster.stop()
            await self._follower.stop()
            if self._residents is not None:
                await self._residents.stop()
            await self._client.close()
            await self._templates.stop()
            self._tokenizers.stop()

    def _on_snapshot(self, snapshot: Snapshot) -> None:
        self._connect(snapshot.status.address)
        self._metrics.residences_changed(snapshot.residences, snapshot.budget)
        self._roster.hear(snapshot)

    def _on_lost(self) -> None:
        self._connect("")
        self._roster.lost()

    def _connect(self, address: str) -> None:
        task = asyncio.ensure_future(self._client.connect(address))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    def _doors(self) -> Residents:
        wait = self._configuration.load_queue_timeout
        return Residents(self._admission, self._board, self._follower.lease, wait=wait)

    def _grpc_parts(self) -> ServiceParts:
        options = GrpcOptions(max_message_bytes=self._configuration.max_body_bytes)
        edge = GrpcEdgeParts(
            self._authenticator, self._admission, self._drain, self._metrics, self._access_log, options
        )
        return ServiceParts(self._catalog, self._board, self._plane.tensors, edge, self._repository)

    async def _runtime_metrics(self) -> bytes:
        return await scrape(self._board.status.metrics_url)


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the drain comes first."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _authenticator(configuration: WorkerConfiguration) -> Authenticator:
    if configuration.keys:
        return StaticKeys(configuration.keys)
    return OpenAccess(operator=configuration.open_operator)


def _profiles(configuration: WorkerConfiguration, catalog: Catalog) -> ProfileBoard:
    usual = Options()
    options = Options(
        max_model_len=configuration.max_model_len,
        gpu_memory_fraction=configuration.gpu_memory_utilization or usual.gpu_memory_fraction,
    )
    triton = Path(configuration.tritonserver) if configuration.tritonserver else None
    pythons = {engine: Path(python) for engine, python in configuration.interpreters.items()}
    return ProfileBoard(catalog, options, partial(probe, devices=True, tritonserver=triton, interpreters=pythons))


def _batches(configuration: WorkerConfiguration) -> BatchOptions:
    """No call may hold more rows than an execution."""
    usual = BatchOptions()
    return replace(usual, rows=min(usual.rows, configuration.max_batch_size or usual.rows))


def _order_options(configuration: WorkerConfiguration) -> OrderOptions:
    """A worker waits a little longer than the supervisor may take."""
    return OrderOptions(
        load=configuration.load_timeout + configuration.load_queue_timeout + _ORDER_GRACE,
        unload=configuration.drain_timeout + 2 * _ORDER_GRACE,
    )


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
