"""How the supervisor tells the gateway workers what is served, and how they report and pass on orders.

One Unix socket in the private run directory; one JSON object a line. Supervisor to worker: `{"snapshot": …}`, at
once on connection and at every change, and `{"reply": number, "result": …}` or `{"reply": number, "error": …}`.
Worker to supervisor: `{"suspect": model, "reason": text, "address": of the runtime that was called}`,
`{"progress": …}`, `{"leases": …}` and `{"order": number, "verb": "index" | "load" | "unload" | …, …}`. The values are
those of `argosy.server.control.messages`. A worker that loses the link says so to itself and tries again; it never
serves on old news.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from argosy.core.errors import ArgosyError, DeadlineExceeded, Unavailable
from argosy.core.residency import Lease
from argosy.server.control.messages import (
    Progress,
    Snapshot,
    error_from_mapping,
    error_to_mapping,
    leases_from_mapping,
    leases_to_mapping,
)
from argosy.server.control.repository import ModelRepository

log = logging.getLogger(__name__)

_LONGEST_LINE = 4 << 20
_RECONNECT_SECONDS = 0.2
_SEND_SECONDS = 5.0
_LOST = "The supervisor cannot be reached. Try again shortly."

OnSnapshot = Callable[[Snapshot], None]
OnSuspect = Callable[[str, str, str], None]
Order = Callable[[Mapping[str, Any]], Awaitable[Any]]
"""Carries out the orders of one verb, given what came with each; the answer is plain data."""


class LeaseBook(Protocol):
    """Where the workers' leases are kept; see `argosy.server.control.residency.leases.Leases`."""

    def report(self, worker: Hashable, leases: Mapping[str, Lease]) -> None:
        """A worker does this now."""

    def forget(self, worker: Hashable) -> None:
        """A worker is gone."""


class StatusPublisher:
    """The supervisor's end. `publish` never waits; a worker that does not read is cut off.

    Args:
        path: the socket to create; an old one is replaced.
        on_suspect: called with model, reason and runtime address when a worker saw an engine crash.
        leases: told what each worker does with each model; None where nobody asks.
    """

    def __init__(self, path: Path, on_suspect: OnSuspect, leases: LeaseBook | None = None) -> None:
        self._path = path
        self._on_suspect = on_suspect
        self._leases = leases
        self._repository: ModelRepository | None = None
        self._further: Mapping[str, Order] = {}
        self._newest: bytes | None = None
        self._workers: dict[asyncio.StreamWriter, Progress] = {}
        self._moved = asyncio.Event()
        self._orders: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(
        self, repository: ModelRepository | None = None, further: Mapping[str, Order] | None = None
    ) -> None:
        """Listen; orders of the workers are carried out by `repository`, or by what `further` has for their verb."""
        self._repository = repository
        self._further = further or {}
        self._path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, path=str(self._path), limit=_LONGEST_LINE)
        self._path.chmod(0o600)

    async def stop(self) -> None:
        """Close every connection and remove the socket; idempotent. Orders under way are given up."""
        if self._server is None:
            return
        self._server.close()
        for order in list(self._orders):
            order.cancel()
        await asyncio.gather(*self._orders, return_exceptions=True)
        for writer in list(self._workers):
            writer.close()
        self._server = None
        self._path.unlink(missing_ok=True)

    def publish(self, snapshot: Snapshot) -> None:
        """Send a snapshot to every worker, and to those that connect later."""
        self._newest = _line({"snapshot": snapshot.to_mapping()})
        for writer in list(self._workers):
            self._send(writer, self._newest)

    async def reached(self, goal: Callable[[Progress], bool], seconds: float) -> bool:
        """Wait until `goal` holds for every connected worker; False when that took longer than `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                while not all(map(goal, self._workers.values())):
                    self._moved.clear()
                    await self._moved.wait()
        except TimeoutError:
            return False
        return True

    def problems(self) -> dict[str, str]:
        """Why a worker cannot serve a listed model, by model."""
        return {name: why for progress in self._workers.values() for name, why in progress.problems.items()}

    def _send(self, writer: asyncio.StreamWriter, line: bytes) -> None:
        if writer.transport.get_write_buffer_size() > _LONGEST_LINE:
            writer.transport.abort()
            return
        writer.write(line)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._workers[writer] = Progress()
        try:
            if self._newest is not None:
                self._send(writer, self._newest)
            while line := await reader.readline():
                self._hear(json.loads(line), writer)
        except (ConnectionError, ValueError) as error:
            log.debug("A gateway worker's link ended: %s", error)
        finally:
            del self._workers[writer]
            if self._leases is not None:
                self._leases.forget(writer)
            self._moved.set()
            writer.close()

    def _hear(self, message: Mapping[str, Any], writer: asyncio.StreamWriter) -> None:
        if "suspect" in message:
            self._on_suspect(str(message["suspect"]), str(message["reason"]), str(message["address"]))
        elif "progress" in message:
            self._workers[writer] = Progress.from_mapping(message["progress"])
            self._moved.set()
        elif "leases" in message:
            if self._leases is not None:
                self._leases.report(writer, leases_from_mapping(message["leases"]))
        else:
            order = asyncio.create_task(self._obey(message, writer), name=f"order {message['verb']}")
            self._orders.add(order)
            order.add_done_callback(self._orders.discard)

    async def _obey(self, order: Mapping[str, Any], writer: asyncio.StreamWriter) -> None:
        """Carry out one order; it stands when the worker that brought it has gone."""
        reply: dict[str, Any] = {"reply": order["order"]}
        try:
            reply["result"] = await self._carry_out(order)
        except ArgosyError as error:
            reply["error"] = error_to_mapping(error)
        except Exception:
            log.exception("The order %s failed", order["verb"])
            reply["error"] = error_to_mapping(ArgosyError("The order failed. The server's log has the cause."))
        line = _line(reply)
        if len(line) > _LONGEST_LINE:
            # The worker could not read it, and would lose the link with all that goes over it.
            log.error("The answer to the order %s is too long: %d bytes.", order["verb"], len(line))
            line = _line({"reply": order["order"], "error": error_to_mapping(ArgosyError("The answer is too long."))})
        if not writer.is_closing():
            self._send(writer, line)

    async def _carry_out(self, order: Mapping[str, Any]) -> Any:
        if (further := self._further.get(order["verb"])) is not None:
            return await further(order)
        if self._repository is None:
            raise Unavailable("This server takes no orders now. Try again shortly.")
        match order["verb"]:
            case "index":
                return [asdict(entry) for entry in await self._repository.index(ready_only=order["ready_only"])]
            case "load":
                await self._repository.load(order["name"])
            case "unload":
                await self._repository.unload(order["name"])
        return []


class StatusFollower:
    """A gateway worker's end.

    Args:
        path: the supervisor's socket.
        on_snapshot: called with every snapshot.
        on_lost: called when the link goes down, and at every vain attempt to restore it.
    """

    def __init__(self, path: Path, on_snapshot: OnSnapshot, on_lost: Callable[[], None]) -> None:
        self._path = path
        self._on_snapshot = on_snapshot
        self._on_lost = on_lost
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None
        self._numbers = itertools.count()
        self._replies: dict[int, asyncio.Future[Any]] = {}

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
        self._tell({"suspect": model, "reason": reason, "address": address})

    def report(self, progress: Progress) -> None:
        """Tell the supervisor how far this worker is; dropped while the link is down."""
        self._tell({"progress": progress.to_mapping()})

    def lease(self, leases: Mapping[str, Lease]) -> None:
        """Tell the supervisor what this worker does with its models; dropped while the link is down."""
        self._tell({"leases": leases_to_mapping(leases)})

    async def order(self, verb: str, seconds: float, **details: Any) -> Any:
        """Have the supervisor carry out an order.

        Raises:
            Unavailable: the supervisor cannot be reached, or the link was lost before the answer.
            DeadlineExceeded: no answer within `seconds`; the order stands.
            ArgosyError: whatever the supervisor answered.
        """
        number = next(self._numbers)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if not self._tell({"order": number, "verb": verb, **details}):
            raise Unavailable(_LOST, retry_after=1.0)
        self._replies[number] = answer
        try:
            async with asyncio.timeout(seconds):
                return await answer
        except TimeoutError:
            raise DeadlineExceeded(
                f"The order to {verb} is still being carried out after {seconds:g} s; it stands. "
                "The repository index shows when it is done."
            ) from None
        finally:
            self._replies.pop(number, None)

    def _tell(self, message: Mapping[str, Any]) -> bool:
        if self._writer is None or self._writer.is_closing():
            return False
        self._writer.write(_line(message))
        return True

    async def _follow(self) -> None:
        while True:
            try:
                await self._follow_once()
            except (OSError, ValueError) as error:
                log.debug("The link to the supervisor is down: %s", error)
            self._on_lost()
            await asyncio.sleep(_RECONNECT_SECONDS)

    async def _follow_once(self) -> None:
        async with asyncio.timeout(_SEND_SECONDS):
            reader, writer = await asyncio.open_unix_connection(str(self._path), limit=_LONGEST_LINE)
        self._writer = writer
        try:
            while line := await reader.readline():
                self._hear(json.loads(line))
        finally:
            self._writer = None
            writer.close()
            for answer in self._replies.values():
                if not answer.done():
                    answer.set_exception(Unavailable(_LOST, retry_after=1.0))

    def _hear(self, message: Mapping[str, Any]) -> None:
        if "snapshot" in message:
            self._on_snapshot(Snapshot.from_mapping(message["snapshot"]))
            return
        answer = self._replies.get(message["reply"])
        if answer is None or answer.done():
            return
        if "error" in message:
            answer.set_exception(error_from_mapping(message["error"]))
        else:
            answer.set_result(message["result"])


def _line(message: Mapping[str, Any]) -> bytes:
    return json.dumps(message).encode() + b"\n"
