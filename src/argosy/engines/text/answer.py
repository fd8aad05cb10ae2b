"""One answer while it grows: token ids in, chunks out."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from argosy.core.errors import ArgosyError
from argosy.engines.contract import Chunk, Emit
from argosy.engines.text.detokenizer import TextStream
from argosy.engines.text.stop import StopMatcher


class Answer:
    """Turns tokens into chunks for one `Emit`, and ends exactly once. One thread feeds it.

    Args:
        emit: gets the chunks.
        text: a fresh detokeniser.
        num_input_tokens: length of the prompt.
        end_tokens: tokens that end an answer; counted and not shown.
        stops: stop texts.
        include_stop: leave a matched stop text in the answer.
    """

    __slots__ = ("_emit", "_end_tokens", "_matcher", "_num_input_tokens", "_num_output_tokens", "_text")

    def __init__(
        self,
        emit: Emit,
        text: TextStream,
        num_input_tokens: int,
        *,
        end_tokens: Collection[int] = (),
        stops: Sequence[str] = (),
        include_stop: bool = False,
    ) -> None:
        self._emit = emit
        self._text = text
        self._matcher = StopMatcher(stops, include=include_stop) if stops else None
        self._end_tokens = end_tokens
        self._num_input_tokens = num_input_tokens
        self._num_output_tokens = 0

    def take(self, tokens: Sequence[int], reason: str | None = None) -> bool:
        """Emit the text that new tokens complete; with `reason`, the last tokens of the answer and why it ended.

        Tokens after a complete stop text are neither used nor counted.

        Returns:
            Whether the answer is over: `reason` was given, or a stop text is complete.
        """
        new = ""
        for position, token in enumerate(tokens, start=1):
            self._num_output_tokens += 1
            if reason == "stop" and position == len(tokens) and token in self._end_tokens:
                break
            text, matched = self._shown(self._text.push(token))
            new += text
            if matched:
                return self._end(new, "stop")
        if reason is not None:
            return self._flush(new, reason)
        if new:
            self._emit(Chunk(new, None, self._num_input_tokens, self._num_output_tokens))
        return False

    def fail(self, error: ArgosyError) -> None:
        """End with `error`."""
        self._emit(Chunk("", None, self._num_input_tokens, self._num_output_tokens, error))

    def _flush(self, new: str, reason: str) -> bool:
        text, matched = self._shown(self._text.finish())
        if matched:
            return self._end(new + text, "stop")
        held = "" if self._matcher is None else self._matcher.finish()
        return self._end(new + text + held, reason)

    def _end(self, text: str, reason: str) -> bool:
        self._emit(Chunk(text, reason, self._num_input_tokens, self._num_output_tokens))
        return True

    def _shown(self, text: str) -> tuple[str, bool]:
        """What of `text` is certain to be in the answer, and whether a stop text is complete."""
        if self._matcher is None or not text:
            return text, False
        return self._matcher.push(text), self._matcher.matched
