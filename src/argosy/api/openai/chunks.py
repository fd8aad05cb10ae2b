"""Stream chunks whose constant part is serialised once."""

from __future__ import annotations

from typing import Protocol

import orjson

from argosy.api.openai.generation import Tally


class ChunkWriter(Protocol):
    """Writes one stream's events, each ready to be sent."""

    def opening(self, index: int) -> bytes:
        """What precedes a choice's first text; empty when nothing does."""
        ...

    def text(self, index: int, text: str) -> bytes:
        """New text of a choice."""
        ...

    def finish(self, index: int, reason: str) -> bytes:
        """The end of a choice."""
        ...

    def count(self, prompt_tokens: int, completion_tokens: int) -> None:
        """Let the chunks from now on tell these token counts."""

    def usage(self, tally: Tally) -> bytes:
        """The token counts."""
        ...


class ChatChunks:
    """`chat.completion.chunk` events.

    Args:
        identity: the answer's id.
        created: seconds since 1970.
        model: the name the client used.
        usage: whether the stream ends with its token counts; the other chunks then say `"usage":null`.
    """

    def __init__(self, identity: str, created: int, model: str, *, usage: bool) -> None:
        self._head = _head(identity, "chat.completion.chunk", created, model)
        self._end_with(b',"usage":null}\n\n' if usage else b"}\n\n")

    def opening(self, index: int) -> bytes:
        """The chunk that says who speaks."""
        return b'%b{"index":%d,"delta":{"role":"assistant","content":""%b' % (self._head, index, self._ends)

    def text(self, index: int, text: str) -> bytes:
        """A chunk of new text."""
        return b'%b{"index":%d,"delta":{"content":%b%b' % (self._head, index, orjson.dumps(text), self._ends)

    def delta(self, index: int, delta: bytes, logprobs: bytes) -> bytes:
        """A chunk with a delta of any kind; both are JSON."""
        return b'%b{"index":%d,"delta":%b,"logprobs":%b,"finish_reason":null}]%b' % (
            self._head,
            index,
            delta,
            logprobs,
            self._tail,
        )

    def finish(self, index: int, reason: str) -> bytes:
        """The chunk with the finish reason."""
        return b'%b{"index":%d,"delta":{},"logprobs":null,"finish_reason":%b}]%b' % (
            self._head,
            index,
            orjson.dumps(reason),
            self._tail,
        )

    def count(self, prompt_tokens: int, completion_tokens: int) -> None:
        """Let the chunks from now on tell these token counts."""
        self._end_with(b',"usage":%b}\n\n' % _counts(prompt_tokens, completion_tokens))

    def usage(self, tally: Tally) -> bytes:
        """The chunk without choices that carries the token counts."""
        return _usage(self._head, tally)

    def _end_with(self, tail: bytes) -> None:
        self._tail = tail
        self._ends = b'},"logprobs":null,"finish_reason":null}]' + tail


class TextChunks:
    """`text_completion` events; the arguments are those of `ChatChunks`."""

    def __init__(self, identity: str, created: int, model: str, *, usage: bool) -> None:
        self._head = _head(identity, "text_completion", created, model)
        self._end_with(b',"usage":null}\n\n' if usage else b"}\n\n")

    def opening(self, index: int) -> bytes:  # noqa: ARG002
        """Nothing: text completions have no role."""
        return b""

    def text(self, index: int, text: str) -> bytes:
        """A chunk of new text."""
        return b'%b{"index":%d,"text":%b%b' % (self._head, index, orjson.dumps(text), self._ends)

    def told(self, index: int, text: str, logprobs: bytes) -> bytes:
        """A chunk of new text with its log-probabilities, which are JSON."""
        return b'%b{"index":%d,"text":%b,"logprobs":%b,"finish_reason":null}]%b' % (
            self._head,
            index,
            orjson.dumps(text),
            logprobs,
            self._tail,
        )

    def finish(self, index: int, reason: str) -> bytes:
        """The chunk with the finish reason."""
        return b'%b{"index":%d,"text":"","logprobs":null,"finish_reason":%b}]%b' % (
            self._head,
            index,
            orjson.dumps(reason),
            self._tail,
        )

    def count(self, prompt_tokens: int, completion_tokens: int) -> None:
        """Let the chunks from now on tell these token counts."""
        self._end_with(b',"usage":%b}\n\n' % _counts(prompt_tokens, completion_tokens))

    def usage(self, tally: Tally) -> bytes:
        """The chunk without choices that carries the token counts."""
        return _usage(self._head, tally)

    def _end_with(self, tail: bytes) -> None:
        self._tail = tail
        self._ends = b',"logprobs":null,"finish_reason":null}]' + tail


def _head(identity: str, kind: str, created: int, model: str) -> bytes:
    fixed = {"id": identity, "object": kind, "created": created, "model": model, "system_fingerprint": None}
    return b"data: " + orjson.dumps(fixed)[:-1] + b',"choices":['


def _usage(head: bytes, tally: Tally) -> bytes:
    return b'%b],"usage":%b}\n\n' % (head, _counts(tally.prompt_tokens, tally.completion_tokens))


def _counts(prompt: int, completion: int) -> bytes:
    counts = b'{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d}'
    return counts % (prompt, completion, prompt + completion)
