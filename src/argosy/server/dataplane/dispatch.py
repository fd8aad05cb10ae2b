"""The one way from the server to the runtime: readiness and admission first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar, cast

from argosy.core.errors import EngineError
from argosy.core.tensors import Tensor
from argosy.runtime.contract import InferenceClient, InferRequest, InferResponse
from argosy.server.admission.admission import Admission
from argosy.server.admission.lane import Ticket
from argosy.server.admission.residents import Residents
from argosy.server.catalog.board import StatusBoard
from argosy.server.dataplane.call import Call

T = TypeVar("T")


class Dispatcher:
    """Sends requests to the runtime on behalf of every task.

    Guarantees: a request to a model that is not ready never leaves, and neither does one that was not admitted.
    Crashes are the runtime client's to report; here they are errors like any other.

    Args:
        residents: which models are in memory; None where all are.
    """

    def __init__(
        self, client: InferenceClient, board: StatusBoard, admission: Admission, residents: Residents | None = None
    ) -> None:
        self._client = client
        self._board = board
        self._admission = admission
        self._expect = board.check if residents is None else residents.expect
        self._wakes = residents is not None

    async def admit(self, model: str, call: Call, slots: int = 1) -> Ticket:
        """Slots for up to `slots` engine calls at once; the caller releases the ticket.

        A model that is loaded when it is asked for is loaded by this, and stays in memory while the ticket is held.

        Raises:
            ModelNotReady: the model cannot take requests, or stopped being able to while this one waited.
            Overloaded: the queue is full.
            DeadlineExceeded: the deadline passed in the queue.
        """
        self._expect(model)
        ticket = await self._admission.enter(model, call.deadline, call.size, slots)
        try:
            self._board.check(model)
        except BaseException:
            ticket.release()
            raise
        return ticket

    def infer(self, request: InferRequest) -> Awaitable[InferResponse]:
        """One engine call; the caller holds a ticket."""
        return self._client.infer(request)

    def stream(self, request: InferRequest) -> AsyncGenerator[InferResponse, None]:
        """One decoupled engine call; the caller holds a ticket and closes the iterator, which cancels the call."""
        # The contract promises an iterator that can be closed, which is what a generator is.
        return cast("AsyncGenerator[InferResponse, None]", self._client.stream(request))

    async def server_metadata(self) -> Mapping[str, Any]:
        """What the runtime says of itself."""
        return await self._client.server_metadata()

    async def model_metadata(self, model: str, version: str) -> Mapping[str, Any]:
        """What the runtime says of a model that is ready; one that sleeps is loaded."""
        return await self._ask(model, lambda: self._client.model_metadata(model, version))

    async def model_config(self, model: str, version: str) -> Mapping[str, Any]:
        """How the runtime runs a model that is ready; one that sleeps is loaded."""
        return await self._ask(model, lambda: self._client.model_config(model, version))

    async def model_statistics(self, model: str = "", version: str = "") -> Mapping[str, Any]:
        """What the runtime counted for a model that is ready, or for every model."""
        if model:
            self._board.check(model)
        return await self._client.model_statistics(model, version)

    async def _ask(self, model: str, question: Callable[[], Awaitable[Mapping[str, Any]]]) -> Mapping[str, Any]:
        if not self._wakes:
            self._board.check(model)
            return await question()
        ticket = await self.admit(model, Call())
        try:
            return await question()
        finally:
            ticket.release()


async def run_parallel(calls: Sequence[Callable[[], Awaitable[T]]], limit: int) -> list[T]:
    """The results of `calls` in order, at most `limit` at once; the first error cancels the rest and is raised."""
    results: dict[int, T] = {}
    work = iter(enumerate(calls))

    async def take_turns() -> None:
        for index, call in work:
            results[index] = await call()

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(limit, len(calls))):
                group.create_task(take_turns())
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [results[index] for index in range(len(calls))]


def output(response: InferResponse, name: str) -> Tensor:
    """The named output of a response.

    Raises:
        EngineError: the engine left it out.
    """
    try:
        tensor: Tensor = response.outputs[name]
    except KeyError:
        raise EngineError(f"The model's answer lacks the output '{name}'.") from None
    return tensor
