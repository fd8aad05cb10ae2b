"""The answers of a chat: read into thoughts, words and calls, and written whole or as deltas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import orjson

from argosy.api.openai.chunks import ChatChunks
from argosy.api.openai.generation import Tally
from argosy.api.openai.logprobs import ChatLogprobs
from argosy.api.openai.replies import ChatChoice, ChatMessage, FunctionCall, ToolCall, encode
from argosy.api.openai.streaming import Whole
from argosy.api.openai.tools import Tooling
from argosy.server.dataplane.generate import Numbered
from argosy.server.text.answer import AnswerReader
from argosy.server.text.pieces import CallArguments, CallBegun, Piece, Said, Thought, joined
from argosy.server.text.reasoning import ThoughtReader

_NULL = b"null"


@dataclass(frozen=True, slots=True)
class Reading:
    """How the answers of one request are read.

    Attributes:
        tooling: the tools that may be called.
        thinks: whether the model writes thoughts before it answers.
        opened: whether the prompt has begun the thought.
        logprobs: whether log-probabilities are told.
    """

    tooling: Tooling | None = None
    thinks: bool = False
    opened: bool = False
    logprobs: bool = False

    @property
    def plain(self) -> bool:
        """Whether the answers are text and nothing else."""
        return self.tooling is None and not self.thinks and not self.logprobs

    def call_id(self) -> str:
        """A fresh identity for a tool call, which there is only with tools."""
        return "" if self.tooling is None else self.tooling.family.new_id()

    def reader(self) -> AnswerReader:
        """A reader for one answer."""
        return AnswerReader(
            ThoughtReader(opened=self.opened) if self.thinks else None,
            self.tooling.reader() if self.tooling is not None else None,
        )

    def finish_reason(self, reader: AnswerReader, reason: str) -> str:
        """Why an answer ended, in OpenAI's words."""
        if self.tooling is None:
            return reason
        return self.tooling.finish_reason(called=reader.called, reason=reason)

    def choice(self, index: int, answer: Whole) -> ChatChoice:
        """A complete answer."""
        reader = self.reader()
        pieces = joined([*reader.feed(answer.text), *reader.finish()])
        return ChatChoice(
            index,
            _message(pieces, self.call_id),
            self.finish_reason(reader, answer.reason),
            ChatLogprobs.of(answer.logprobs) if self.logprobs else None,
        )


class ChatEvents:
    """The events of answers that are more than text.

    Args:
        choices: answers in the stream.
    """

    def __init__(self, reading: Reading, writer: ChatChunks, tally: Tally, choices: int) -> None:
        self._reading = reading
        self._writer = writer
        self._tally = tally
        self._readers = [reading.reader() for _ in range(choices)]
        self._begun: set[int] = set()

    def __call__(self, numbered: Numbered) -> bytes:
        """See `Events`."""
        index, chunk = numbered
        reader, writer = self._readers[index], self._writer
        pieces = reader.feed(chunk.text)
        if chunk.finish_reason is not None:
            pieces = joined([*pieces, *reader.finish()])
        events = []
        if index not in self._begun:
            self._begun.add(index)
            events.append(writer.opening(index))
        logprobs = encode(ChatLogprobs.of(chunk.logprobs)) if self._reading.logprobs and chunk.logprobs else _NULL
        for piece in pieces:
            events.append(writer.delta(index, _delta(piece, self._reading.call_id), logprobs))
            logprobs = _NULL
        if logprobs is not _NULL:
            events.append(writer.delta(index, b"{}", logprobs))
        if chunk.finish_reason is not None:
            self._tally.add(index, chunk)
            events.append(writer.finish(index, self._reading.finish_reason(reader, chunk.finish_reason)))
        return b"".join(events)


def _message(pieces: list[Piece], new_id: Callable[[], str]) -> ChatMessage:
    said = "".join(piece.text for piece in pieces if isinstance(piece, Said))
    thought = "".join(piece.text for piece in pieces if isinstance(piece, Thought))
    names = [piece.name for piece in pieces if isinstance(piece, CallBegun)]
    arguments = [""] * len(names)
    for piece in pieces:
        if isinstance(piece, CallArguments):
            arguments[piece.index] += piece.text
    calls = [ToolCall(new_id(), "function", FunctionCall(*call)) for call in zip(names, arguments, strict=True)]
    return ChatMessage(
        "assistant",
        said or None if calls else said,
        tool_calls=calls or msgspec.UNSET,
        reasoning_content=thought or msgspec.UNSET,
    )


def _delta(piece: Piece, new_id: Callable[[], str]) -> bytes:
    """The piece as OpenAI's delta; the first of a call has its id and name, the others its arguments."""
    if isinstance(piece, Said):
        return b'{"content":%b}' % orjson.dumps(piece.text)
    if isinstance(piece, Thought):
        return b'{"reasoning_content":%b}' % orjson.dumps(piece.text)
    if isinstance(piece, CallArguments):
        return b'{"tool_calls":[{"index":%d,"function":{"arguments":%b}}]}' % (piece.index, orjson.dumps(piece.text))
    call = ToolCall(new_id(), "function", FunctionCall(piece.name, ""))
    return b'{"tool_calls":[{"index":%d,%b]}' % (piece.index, encode(call)[1:])
