"""A generation as an event stream, or as a whole."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Protocol

from argosy.api.http.events import DONE, EventStream
from argosy.api.http.exchange import Exchange
from argosy.api.openai.chunks import ChunkWriter
from argosy.api.openai.generation import Tally
from argosy.engines.contract import GenerationRequest, TokenLogprob
from argosy.server.catalog.catalog import ServedModel
from argosy.server.dataplane.call import Call
from argosy.server.dataplane.generate import Generator, Numbered


class Events(Protocol):
    """Turns the chunks of one request into events, in the order in which they come."""

    def __call__(self, numbered: Numbered) -> bytes:
        """The events of a chunk, ready to be sent; empty when it shows nothing yet."""
        ...


async def stream_answer(
    exchange: Exchange,
    generator: Generator,
    model: ServedModel,
    requests: list[GenerationRequest],
    call: Call,
    events_of: Events,
    tally: Tally,
    usage: ChunkWriter | None,
) -> None:
    """Send the chunks of every choice as they come, then the token counts if asked for, then `[DONE]`.

    The first chunk is awaited before the reply begins, so that a request the engine refuses, a full queue or a
    model that is not ready is an error reply and not a broken stream.
    """
    async with aclosing(generator.generate(model, requests, call)) as chunks:
        opening = events_of(await anext(chunks))
        async with EventStream(exchange) as stream:
            await stream.send(opening)
            async for numbered in chunks:
                if events := events_of(numbered):
                    await stream.send(events)
            tally.report(exchange)
            await stream.send(usage.usage(tally) + DONE if usage is not None else DONE)


class PlainEvents:
    """The events of answers that are text and nothing else; does no more for a token than it must."""

    __slots__ = ("_begun", "_tally", "_writer")

    def __init__(self, writer: ChunkWriter, tally: Tally) -> None:
        self._writer = writer
        self._tally = tally
        self._begun: set[int] = set()

    def __call__(self, numbered: Numbered) -> bytes:
        """See `Events`."""
        index, chunk = numbered
        events = self._writer.text(index, chunk.text) if chunk.text else b""
        if index not in self._begun:
            self._begun.add(index)
            events = self._writer.opening(index) + events
        if chunk.finish_reason is not None:
            self._tally.add(index, chunk)
            events += self._writer.finish(index, chunk.finish_reason)
        return events


class CountedEvents:
    """Events that each tell the token counts so far, all choices together.

    Args:
        events: makes the events.
        writer: that of `events`.
        choices: answers to each prompt, which counts once for all of them.
    """

    __slots__ = ("_choices", "_events", "_prompts", "_tokens", "_writer")

    def __init__(self, events: Events, writer: ChunkWriter, choices: int) -> None:
        self._events = events
        self._writer = writer
        self._choices = choices
        self._prompts: dict[int, int] = {}
        self._tokens: dict[int, int] = {}

    def __call__(self, numbered: Numbered) -> bytes:
        """See `Events`."""
        index, chunk = numbered
        self._prompts[index // self._choices] = chunk.num_input_tokens
        self._tokens[index] = chunk.num_output_tokens
        self._writer.count(sum(self._prompts.values()), sum(self._tokens.values()))
        return self._events(numbered)


@dataclass(slots=True)
class Whole:
    """One answer that is complete."""

    text: str = ""
    reason: str = "stop"
    logprobs: list[TokenLogprob] = field(default_factory=list)


async def whole_answers(
    generator: Generator, model: ServedModel, requests: list[GenerationRequest], call: Call, tally: Tally
) -> list[Whole]:
    """Every choice, in order."""
    texts: list[list[str]] = [[] for _ in requests]
    answers = [Whole() for _ in requests]
    async with aclosing(generator.generate(model, requests, call)) as chunks:
        async for index, chunk in chunks:
            texts[index].append(chunk.text)
            if chunk.logprobs:
                answers[index].logprobs += chunk.logprobs
            if chunk.finish_reason is not None:
                answers[index].reason = chunk.finish_reason
                answers[index].text = "".join(texts[index])
                tally.add(index, chunk)
    return answers
