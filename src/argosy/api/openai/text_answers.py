"""The answers of a text completion that are more than text: an echoed prompt, log-probabilities."""

from __future__ import annotations

from collections.abc import Sequence

from argosy.api.openai.chunks import TextChunks
from argosy.api.openai.generation import Odds, Tally
from argosy.api.openai.logprobs import TextLogprobsWriter
from argosy.api.openai.replies import TextChoice, encode
from argosy.api.openai.streaming import Whole
from argosy.server.dataplane.generate import Numbered

_NULL = b"null"


def text_choice(index: int, echoed: str, answer: Whole, odds: Odds) -> TextChoice:
    """A complete answer."""
    logprobs = TextLogprobsWriter(top=odds.top > 0).write(answer.logprobs) if odds.wanted else None
    return TextChoice(index, echoed + answer.text, answer.reason, logprobs)


class TextEvents:
    """Their events.

    Args:
        echoed: for each choice the text in front of its answer.
    """

    def __init__(self, writer: TextChunks, tally: Tally, echoed: Sequence[str], odds: Odds) -> None:
        self._writer = writer
        self._tally = tally
        self._echoed = list(echoed)
        self._odds = odds
        self._logprobs = [TextLogprobsWriter(top=odds.top > 0) for _ in echoed]

    def __call__(self, numbered: Numbered) -> bytes:
        """See `Events`."""
        index, chunk = numbered
        text, self._echoed[index] = self._echoed[index] + chunk.text, ""
        logprobs = _NULL
        if self._odds.wanted and chunk.logprobs:
            logprobs = encode(self._logprobs[index].write(chunk.logprobs))
        events = self._writer.told(index, text, logprobs) if text or logprobs is not _NULL else b""
        if chunk.finish_reason is not None:
            self._tally.add(index, chunk)
            events += self._writer.finish(index, chunk.finish_reason)
        return events
