"""Prompts to chunks of text."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from argosy.core.errors import EngineError
from argosy.engines.contract import Chunk, GenerationRequest
from argosy.runtime.contract import InferRequest
from argosy.runtime.requests import decode_chunk, encode_generation
from argosy.server.catalog.catalog import ServedModel
from argosy.server.dataplane.bounds import bound_texts
from argosy.server.dataplane.call import Call
from argosy.server.dataplane.dispatch import Dispatcher
from argosy.telemetry.metrics import Metrics

_BUFFERED_CHUNKS = 64
Numbered = tuple[int, Chunk]
"""A chunk and the index of the request it belongs to."""


class Generator:
    """Runs generations."""

    def __init__(self, dispatcher: Dispatcher, metrics: Metrics) -> None:
        self._dispatcher = dispatcher
        self._metrics = metrics

    async def generate(
        self, model: ServedModel, requests: Sequence[GenerationRequest], call: Call
    ) -> AsyncGenerator[Numbered, None]:
        """Chunks of every generation as they come, each with the index of its request.

        Every request ends in exactly one chunk with a `finish_reason`, or the whole iterator raises. Closing the
        iterator, or cancelling the task that waits for it, cancels every generation and frees its slots.

        Args:
            model: a `generate` model.
            requests: at least one.
            call: deadline and identity of the request.

        Raises:
            InvalidRequest: the engine refuses a prompt or a sampling value.
            Unavailable, DeadlineExceeded, EngineError: as the runtime's contract says.
        """
        bound_texts([request.prompt for request in requests if isinstance(request.prompt, str)], model, "text_input")
        begun = time.monotonic()
        ticket = await self._dispatcher.admit(model.root, call, len(requests))
        try:
            if len(requests) == 1:
                chunks = self._one(model, 0, requests[0], call, begun)
            else:
                chunks = self._many(model, requests, call, begun, ticket.slots)
            async with aclosing(chunks):
                async for numbered in chunks:
                    yield numbered
        finally:
            ticket.release()

    async def _one(
        self, model: ServedModel, index: int, request: GenerationRequest, call: Call, begun: float
    ) -> AsyncGenerator[Numbered, None]:
        metrics = self._metrics.model(model.root)
        wire = InferRequest(
            model.root, encode_generation(request), request_id=call.request_id, deadline=call.deadline, raw=True
        )
        pieces = 0
        last: Chunk | None = None
        previous = begun
        answers = self._dispatcher.stream(wire)
        try:
            async for answer in answers:
                if not answer.outputs:
                    continue
                chunk = decode_chunk(answer.outputs)
                now = time.monotonic()
                (metrics.next_token if pieces else metrics.first_token).observe(now - previous)
                previous = now
                pieces += 1
                if chunk.last:
                    last = chunk
                    break
                yield index, chunk
            if last is None:
                raise EngineError("The model ended its answer without saying why.")
            yield index, _finished(last)
        finally:
            failed = isinstance(sys.exception(), Exception)
            await answers.aclose()
            # The engine counts in its last chunk; a generation that was left before has one token a piece.
            if last is None:
                metrics.generation_ended("error" if failed else "abort", 0, pieces)
            else:
                metrics.generation_ended(_reason(last), last.num_input_tokens, last.num_output_tokens)

    async def _many(
        self, model: ServedModel, requests: Sequence[GenerationRequest], call: Call, begun: float, slots: int
    ) -> AsyncGenerator[Numbered, None]:
        queue: asyncio.Queue[Numbered | Exception] = asyncio.Queue(_BUFFERED_CHUNKS)
        work = iter(enumerate(requests))

        async def take_turns() -> None:
            try:
                for index, request in work:
                    async with aclosing(self._one(model, index, request, call, begun)) as chunks:
                        async for numbered in chunks:
                            await queue.put(numbered)
            except Exception as error:  # noqa: BLE001 - handed to the reader, who raises it
                await queue.put(error)

        tasks = [asyncio.create_task(take_turns()) for _ in range(min(slots, len(requests)))]
        try:
            running = len(requests)
            while running:
                item = await queue.get()
                if isinstance(item, Exception):
                    raise item
                running -= item[1].last
                yield item
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _reason(last: Chunk) -> str:
    if last.error is not None:
        return "error"
    return last.finish_reason if last.finish_reason in {"stop", "length"} else "abort"


def _finished(chunk: Chunk) -> Chunk:
    if chunk.error is not None:
        raise chunk.error
    if chunk.finish_reason == "cancelled":
        raise EngineError("The model gave up on the answer. Send the request again.")
    return chunk
