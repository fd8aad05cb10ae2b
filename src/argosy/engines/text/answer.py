"""One answer while it grows: token ids in, chunks out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from itertools import chain, repeat

from argosy.core.errors import ArgosyError
from argosy.engines.contract import Chunk, ConstraintKind, Emit, Sampling, TokenLogprob
from argosy.engines.text.blanks import BlankRun
from argosy.engines.text.detokenizer import TextStream
from argosy.engines.text.logprobs import LEAST, LogprobQueue
from argosy.engines.text.stop import StopMatcher
from argosy.engines.text.tokenizer import TextTokenizer

_JSON_INSIDE = frozenset({ConstraintKind.JSON_SCHEMA, ConstraintKind.STRUCTURAL_TAG})

Likeliest = Sequence[tuple[int, float]]
"""Tokens with their log-probabilities, likeliest first."""


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

    def take(
        self,
        tokens: Sequence[int],
        reason: str | None = None,
        logprobs: Sequence[float] = (),
        tops: Sequence[Likeliest] = (),
    ) -> bool:
        """Emit the text that new tokens complete; with `reason`, the last tokens of the answer and why it ended.

        Tokens after a complete stop text are neither used nor counted.

        Args:
            tokens: new ones.
            reason: None while the answer goes on.
            logprobs: of the tokens, in order, where they are wanted.
            tops: the likeliest tokens at the place of each, where they are wanted.

        Returns:
            Whether the answer is over: `reason` was given, a stop text is complete, or it ran off into white space.
        """
        new = ""
        last = len(tokens)
        told = zip(tokens, chain(logprobs, repeat(0.0)), chain(tops, repeat(())), strict=False)
        for position, (token, logprob, top) in enumerate(told, start=1):
            self._num_output_tokens += 1
            if reason == "stop" and position == last and token in self._end_tokens:
                break
            text = self._text.push(token)
            if self._logprobs is not None and self._token_bytes is not None:
                self._logprobs.add(self._token_bytes(token), logprob, text, self._likeliest(top))
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

    def _likeliest(self, top: Likeliest) -> tuple[TokenLogprob, ...]:
        if self._token_bytes is None:
            return ()
        return tuple(TokenLogprob(self._token_bytes(token), max(LEAST, logprob)) for token, logprob in top)

    def _shown(self, text: str) -> tuple[str, bool]:
        """What of `text` is certain to be in the answer, and whether a stop text is complete."""
        if self._matcher is None or not text:
            return text, False
        return self._matcher.push(text), self._matcher.matched


def answer_to(
    prompt: Sequence[int], sampling: Sampling, tokenizer: TextTokenizer, emit: Emit, end_tokens: Collection[int]
) -> Answer:
    """A fresh answer to a prompt, as its sampling asks for it.

    Args:
        prompt: its tokens.
        sampling: as the caller gave it.
        tokenizer: of the model.
        emit: gets the chunks.
        end_tokens: tokens that end an answer, unless the sampling ignores them.
    """
    constraint = sampling.constraint
    # What a constraint allows may be written with special tokens; hidden, the answer would no longer satisfy it.
    special = constraint is not None
    blanks = None
    if constraint is not None and constraint.kind in _JSON_INSIDE:
        blanks = BlankRun(strings=constraint.kind is ConstraintKind.JSON_SCHEMA)
    return Answer(
        emit,
        tokenizer.stream(prompt, special=special),
        len(prompt),
        end_tokens=() if sampling.ignore_eos else end_tokens,
        stops=sampling.stop,
        include_stop=sampling.include_stop,
        token_bytes=partial(tokenizer.token_bytes, special=special) if sampling.logprobs else None,
        blanks=blanks,
    )
