"""A generation as an event stream."""

from __future__ import annotations

from contextlib import aclosing

from argosy.api.http.events import DONE, EventStream
from argosy.api.http.exchange import Exchange
from argosy.api.openai.chunks import ChunkWriter
from argosy.api.openai.generation import Tally
from argosy.engines.contract import GenerationRequest
from argosy.server.catalog.catalog import ServedModel
from argosy.server.dataplane.call import Call
from argosy.server.dataplane.generate import Generator, Numbered


async def stream_answer(
    exchange: Exchange,
    generator: Generator,
    model: ServedModel,
    requests: list[GenerationRequest],
    call: Call,
    writer: ChunkWriter,
    tally: Tally,
    *,
    usage: bool,
) -> None:
    """Send the chunks of every choice as they come, then the token counts if asked for, then `[DONE]`.

    The first chunk is awaited before the reply begins, so that a request the engine refuses, a full queue or a
    model that is not ready is an error reply and not a broken stream.
    """
    events_of = _Events(writer, tally)
    async with aclosing(generator.generate(model, requests, call)) as chunks:
        opening = events_of(await anext(chunks))
        async with EventStream(exchange) as stream:
            await stream.send(opening)
            async for numbered in chunks:
                if events := events_of(numbered):
                    await stream.send(events)
            tally.report(exchange)
            await stream.send(writer.usage(tally) + DONE if usage else DONE)


class _Events:
    """Turns chunks into events and remembers which choices have begun."""

    __slots__ = ("_begun", "_tally", "_writer")

    def __init__(self, writer: ChunkWriter, tally: Tally) -> None:
        self._writer = writer
        self._tally = tally
        self._begun: set[int] = set()

    def __call__(self, numbered: Numbered) -> bytes:
        index, chunk = numbered
        events = self._writer.text(index, chunk.text) if chunk.text else b""
        if index not in self._begun:
            self._begun.add(index)
            events = self._writer.opening(index) + events
        if chunk.finish_reason is not None:
            self._tally.add(index, chunk)
            events += self._writer.finish(index, chunk.finish_reason)
        return events


async def whole_answer(
    generator: Generator, model: ServedModel, requests: list[GenerationRequest], call: Call, tally: Tally
) -> list[tuple[str, str]]:
    """Text and finish reason of every choice, in order."""
    texts: list[list[str]] = [[] for _ in requests]
    reasons = ["stop"] * len(requests)
    async with aclosing(generator.generate(model, requests, call)) as chunks:
        async for index, chunk in chunks:
            texts[index].append(chunk.text)
            if chunk.finish_reason is not None:
                reasons[index] = chunk.finish_reason
                tally.add(index, chunk)
    return [("".join(parts), reason) for parts, reason in zip(texts, reasons, strict=True)]
