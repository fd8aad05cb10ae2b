"""How the supervisor tells the gateway workers what is ready, and how they tell it what looks broken.

One Unix socket in the private run directory; one JSON object a line. Supervisor to worker: a `RuntimeStatus`
snapshot, at once on connection and at every change. Worker to supervisor:
`{"suspect": model, "reason": text, "address": of the runtime that was called}`.
A worker that loses the link reports the runtime as stopped and tries again; it never serves on old news.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable
from pathlib import Path

from argosy.core.status import RuntimeState, RuntimeStatus

log = logging.getLogger(__name__)

_LONGEST_LINE = 4 << 20
_RECONNECT_SECONDS = 0.2
_SEND_SECONDS = 5.0

OnStatus = Callable[[RuntimeStatus], None]
OnSuspect = Callable[[str, str, str], None]


class StatusPublisher:
    """The supervisor's end. `publish` never waits; a worker that does not read is cut off.

    Args:
        path: the socket to create; an old one is replaced.
        on_suspect: called with model, reason and runtime address when a worker saw an engine crash.
    """

    def __init__(self, path: Path, on_suspect: OnSuspect) -> None:
        self._path = path
        self._on_suspect = on_suspect
        self._newest: bytes | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen."""
        self._path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, path=str(self._path), limit=_LONGEST_LINE)
        self._path.chmod(0o600)

    async def stop(self) -> None:
        """Close every connection and remove the socket; idempotent."""
        if self._server is None:
            return
        self._server.close()
        for writer in list(self._writers):
            writer.close()
        self._server = None
        self._path.unlink(missing_ok=True)

    def publish(self, status: RuntimeStatus) -> None:
        """Send a snapshot to every worker, and to those that connect later."""
        self._newest = json.dumps(status.to_mapping()).encode() + b"\n"
        for writer in list(self._writers):
            self._send(writer, self._newest)

    def _send(self, writer: asyncio.StreamWriter, line: bytes) -> None:
        if writer.transport.get_write_buffer_size() > _LONGEST_LINE:
            writer.transport.abort()
            return
        writer.write(line)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            if self._newest is not None:
                self._send(writer, self._newest)
            while line := await reader.readline():
                self._hear(line)
        except (ConnectionError, ValueError) as error:
            log.debug("A gateway worker's link ended: %s", error)
        finally:
            self._writers.discard(writer)
            writer.close()

    def _hear(self, line: bytes) -> None:
        message = json.loads(line)
        self._on_suspect(str(message["suspect"]), str(message["reason"]), str(message["address"]))


class StatusFollower:
    """A gateway worker's end.

    Args:
        path: the supervisor's socket.
        on_status: called with every snapshot, and with a STOPPED one while the link is down.
    """

    def __init__(self, path: Path, on_status: OnStatus) -> None:
        self._path = path
        self._on_status = on_status
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Follow from now on, in a task that `stop` ends."""
        self._task = asyncio.create_task(self._follow(), name="status-follower")

    async def stop(self) -> None:
        """Stop following; idempotent."""
        if self._task is None:
            return
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._task = None

    def suspect(self, model: str, reason: str, address: str) -> None:
        """Tell the supervisor that `model` looks broken; dropped while the link is down, since it then knows."""
        if self._writer is not None and not self._writer.is_closing():
            message = {"suspect": model, "reason": reason, "address": address}
            self._writer.write(json.dumps(message).encode() + b"\n")

    async def _follow(self) -> None:
        while True:
            try:
                await self._follow_once()
            except (ConnectionError, FileNotFoundError, ValueError, TimeoutError) as error:
                log.debug("The link to the supervisor is down: %s", error)
            self._on_status(RuntimeStatus(RuntimeState.STOPPED, reason="The supervisor is not reachable."))
            await asyncio.sleep(_RECONNECT_SECONDS)

    async def _follow_once(self) -> None:
        async with asyncio.timeout(_SEND_SECONDS):
            reader, writer = await asyncio.open_unix_connection(str(self._path), limit=_LONGEST_LINE)
        self._writer = writer
        try:
            while line := await reader.readline():
                self._on_status(RuntimeStatus.from_mapping(json.loads(line)))
        finally:
            self._writer = None
            writer.close()
