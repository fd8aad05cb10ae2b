"""`ModelStreamInfer`: many requests and their answers over one call.

Requests are worked on at once, except those of one sequence, which are answered in their order. Every answer carries
the id of its request. An error of one request is a message like its answers would be, and the stream goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import grpc.aio

from argosy.api.kserve.grpc.errors import details_of
from argosy.api.kserve.grpc.exchange import Exchange
from argosy.api.kserve.grpc.messages import InferCall, encode_failure, encode_piece, open_infer, read_infer
from argosy.api.kserve.naming import naming_version
from argosy.core.deadline import Deadline
from argosy.core.errors import ArgosyError, MalformedBody, RequestCancelled, RequestTimeout
from argosy.runtime.contract import Parameter
from argosy.runtime.failures import deadline_exceeded
from argosy.server.catalog.catalog import Catalog, ServedModel
from argosy.server.dataplane.call import Call
from argosy.server.dataplane.infer import TensorInference, usage_of

Begin = Callable[[], Exchange]
"""Begins one request of a stream."""

Admit = Callable[[Exchange], Awaitable[None]]
"""Raises when the caller may not ask now."""


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """Bounds on one stream; see `GrpcOptions`."""

    requests: int
    send_seconds: float


@dataclass(slots=True)
class _Turn:
    """A sequence with requests in flight."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0


class Conversation:
    """One stream, for as long as it lasts.

    Args:
        context: gRPC's, read and written here only.
        begin: begins a request.
        admit: looks whether the caller may make it now.
    """

    def __init__(
        self,
        context: Any,
        begin: Begin,
        admit: Admit,
        catalog: Catalog,
        tensors: TensorInference,
        limits: StreamLimits,
    ) -> None:
        self._context = context
        self._begin = begin
        self._admit = admit
        self._catalog = catalog
        self._tensors = tensors
        self._limits = limits
        self._slots = asyncio.Semaphore(limits.requests)
        self._writing = asyncio.Lock()
        self._sending: asyncio.Future[None] | None = None
        self._end: ArgosyError | None = None
        self._turns: dict[tuple[str, Parameter], _Turn] = {}

    async def run(self) -> None:
        """Answer every request; returns when the client has sent its last and has every answer.

        Raises:
            RequestTimeout: the client does not read its answers.
            MalformedBody: what it sent is no request.
            RequestCancelled: it left.
        """
        try:
            async with asyncio.TaskGroup() as requests:
                while True:
                    await self._slots.acquire()
                    data = await self._context.read()
                    if data is grpc.aio.EOF:
                        break
                    requests.create_task(self._serve(data))
        except BaseExceptionGroup as failures:
            first = failures.exceptions[0]
            if isinstance(first, grpc.aio.BaseError):
                raise _left() from None
            raise self._end or first from None
        finally:
            if self._sending is not None:
                self._sending.cancel()
                await asyncio.gather(self._sending, return_exceptions=True)

    async def _serve(self, data: bytes) -> None:
        """One request; its errors are told to the client, and only what ends the stream is raised."""
        exchange = self._begin()
        identity = ""

        async def work(exchange: Exchange) -> None:
            nonlocal identity
            opened = open_infer(data)
            identity = opened.identity
            await self._admit(exchange)
            await self._answer(exchange, read_infer(opened), len(data))

        try:
            outcome = await exchange.run(work)
            if self._end is not None:
                raise self._end
            if isinstance(outcome, MalformedBody):
                raise outcome
            if isinstance(outcome, ArgosyError):
                await self._write(encode_failure(details_of(outcome), identity))
        finally:
            self._slots.release()

    async def _answer(self, exchange: Exchange, asked: InferCall, size: int) -> None:
        model = self._catalog.get(asked.model)
        call = exchange.call(model, size)
        with naming_version(model, asked.request.version):
            await self._converse(exchange, asked, model, call)

    async def _converse(self, exchange: Exchange, asked: InferCall, model: ServedModel, call: Call) -> None:
        async with (
            self._turn(asked.sequence, call.deadline),
            aclosing(self._tensors.stream(model, asked.request, call)) as answers,
        ):
            async for answer in answers:
                if answer.outputs or (answer.final and asked.empty_final):
                    await self._write(encode_piece(answer, asked))
                usage = usage_of(model, answer)
                exchange.count(usage.prompt, usage.output)

    @contextlib.asynccontextmanager
    async def _turn(self, sequence: tuple[str, Parameter] | None, deadline: Deadline) -> AsyncIterator[None]:
        """Wait until the requests before this one in its sequence have ended."""
        if sequence is None:
            yield
            return
        turn = self._turns.setdefault(sequence, _Turn())
        turn.users += 1
        try:
            # The lock is fair: who comes first is let in first.
            await _within(turn.lock.acquire(), deadline)
            try:
                yield
            finally:
                turn.lock.release()
        finally:
            turn.users -= 1
            if not turn.users:
                del self._turns[sequence]

    async def _write(self, data: bytes) -> None:
        """Send one message.

        Raises:
            RequestTimeout: the client does not read.
        """
        try:
            async with asyncio.timeout(self._limits.send_seconds):
                async with self._writing:
                    await self._send(data)
        except TimeoutError:
            self._end = self._end or _unread(self._limits.send_seconds)
            raise self._end from None
        except grpc.aio.BaseError:
            # The call has ended, and its cancellation has not reached this task yet.
            self._end = self._end or _left()
            raise self._end from None

    async def _send(self, data: bytes) -> None:
        """Write apart from the request's task: gRPC ends the whole call when a write is cancelled."""
        if self._sending is not None and not self._sending.done():
            await asyncio.wait([self._sending])
        self._sending = asyncio.ensure_future(self._context.write(data))
        self._sending.add_done_callback(_retrieve)
        await asyncio.shield(self._sending)


def _retrieve(sending: asyncio.Future[None]) -> None:
    """A write that fails after its request was ended is told by the next one."""
    if not sending.cancelled():
        sending.exception()


def _left() -> RequestCancelled:
    return RequestCancelled("The client left.")


def _unread(seconds: float) -> RequestTimeout:
    return RequestTimeout(f"The answers of this stream were left unread for {seconds:g} s.")


async def _within(work: Awaitable[object], deadline: Deadline) -> None:
    try:
        async with asyncio.timeout(min(deadline.remaining, 1e9)):
            await work
    except TimeoutError:
        raise deadline_exceeded() from None
