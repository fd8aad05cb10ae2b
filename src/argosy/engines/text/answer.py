"""One answer while it grows: token ids in, chunks out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from itertools import chain, repeat

from argosy.core.errors import ArgosyError
from argosy.engines.contract import Chunk, Emit
from argosy.engines.text.blanks import BlankRun
from argosy.engines.text.detokenizer import TextStream
from argosy.engines.text.logprobs import LogprobQueue
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
        token_bytes: what a token shows; given when log-probabilities are wanted.
        blanks: counts the white space of an answer that must not run off into it.
    """

    __slots__ = (
        "_blanks",
        "_emit",
        "_end_tokens",
        "_logprobs",
        "_matcher",
        "_num_input_tokens",
        "_num_output_tokens",
        "_text",
        "_token_bytes",
    )

    def __init__(
        self,
        emit: Emit,
        text: TextStream,
        num_input_tokens: int,
        *,
        end_tokens: Collection[int] = (),
        stops: Sequence[str] = (),
        include_stop: bool = False,
        token_bytes: Callable[[int], bytes] | None = None,
        blanks: BlankRun | None = None,
    ) -> None:
        self._emit = emit
        self._text = text
        self._matcher = StopMatcher(stops, include=include_stop) if stops else None
        self._end_tokens = end_tokens
        self._num_input_tokens = num_input_tokens
        self._num_output_tokens = 0
        self._token_bytes = token_bytes
        self._logprobs = None if token_bytes is None else LogprobQueue()
        self._blanks = blanks

    def take(self, tokens: Sequence[int], reason: str | None = None, logprobs: Sequence[float] = ()) -> bool:
        """Emit the text that new tokens complete; with `reason`, the last tokens of the answer and why it ended.

        Tokens after a complete stop text are neither used nor counted.

        Args:
            tokens: new ones.
            reason: None while the answer goes on.
            logprobs: of the tokens, in order, where they are wanted.

        Returns:
            Whether the answer is over: `reason` was given, a stop text is complete, or it ran off into white space.
        """
        new = ""
        last = len(tokens)
        for position, (token, logprob) in enumerate(zip(tokens, chain(logprobs, repeat(0.0)), strict=False), start=1):
            self._num_output_tokens += 1
            if reason == "stop" and position == last and token in self._end_tokens:
                break
            text = self._text.push(token)
            if self._logprobs is not None and self._token_bytes is not None:
                self._logprobs.add(self._token_bytes(token), logprob, text)
            shown, matched = self._shown(text)
            new += shown
            if matched:
                return self._end(new, "stop", whole=False)
            if self._blanks is not None and self._blanks.too_long(text):
                return self._flush(new, "length")
        if reason is not None:
            return self._flush(new, reason)
        if new:
            self._emit(self._chunk(new, None))
        return False

    def fail(self, error: ArgosyError) -> None:
        """End with `error`."""
        self._emit(Chunk("", None, self._num_input_tokens, self._num_output_tokens, error))

    def _flush(self, new: str, reason: str) -> bool:
        text, matched = self._shown(self._text.finish())
        if matched:
            return self._end(new + text, "stop", whole=False)
        held = "" if self._matcher is None else self._matcher.finish()
        return self._end(new + text + held, reason, whole=True)

    def _end(self, text: str, reason: str, *, whole: bool) -> bool:
        self._emit(self._chunk(text, reason, rest=whole))
        return True

    def _chunk(self, text: str, reason: str | None, *, rest: bool = False) -> Chunk:
        if self._logprobs is None:
            return Chunk(text, reason, self._num_input_tokens, self._num_output_tokens)
        logprobs = self._logprobs.show(text) + (self._logprobs.rest() if rest else ())
        return Chunk(text, reason, self._num_input_tokens, self._num_output_tokens, None, logprobs)

    def _shown(self, text: str) -> tuple[str, bool]:
        """What of `text` is certain to be in the answer, and whether a stop text is complete."""
        if self._matcher is None or not text:
            return text, False
        return self._matcher.push(text), self._matcher.matched
