"""What an echo answers: a pure function from a request to the chunks that will be sent."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

import numpy as np

from argosy.core.errors import InputTooLong, InvalidRequest
from argosy.engines.contract import Chunk, GenerationRequest, Sampling, TokenLogprob

_WORD = re.compile(r"\s*\S+(?:\s+$)?")


def split(request: GenerationRequest, context_length: int) -> list[str]:
    """The prompt's tokens: words with the white space before them, or token ids written as decimals.

    Raises:
        InvalidRequest: the prompt is empty or holds something other than token ids.
        InputTooLong: prompt and `max_tokens` exceed the context length.
    """
    if isinstance(request.prompt, str):
        words = _WORD.findall(request.prompt)
    else:
        if request.prompt.ndim != 1 or request.prompt.dtype.kind not in "iu" or np.any(request.prompt < 0):
            raise InvalidRequest("'input_ids' must hold token ids, none of them negative.", param="input_ids")
        words = [f"{' ' if row else ''}{token}" for row, token in enumerate(request.prompt)]
    if not words:
        raise InvalidRequest("The prompt is empty. Send at least one token.", param="prompt")
    wanted = request.sampling.max_tokens or 1
    if len(words) + wanted > context_length:
        raise InputTooLong(
            f"The prompt of {len(words)} tokens and {wanted} tokens of answer together need {len(words) + wanted}, "
            f"which exceeds maximum allowed context length {context_length}.",
            param="prompt",
        )
    return words


def chunks(words: list[str], sampling: Sampling, context_length: int) -> Iterator[Chunk]:
    """The answer, one word a chunk, the last with its finish reason.

    The words come once; with `ignore_eos`, or while there are fewer than `min_tokens`, they go round again.
    Log-probabilities are made up and always the same: see `likelihood`.
    """
    room = context_length - len(words)
    limit = min(sampling.max_tokens or room, room)
    wanted = limit if sampling.ignore_eos else max(len(words), sampling.min_tokens)
    finish = "length" if sampling.ignore_eos or wanted > limit else "stop"
    texts = list(islice(_round_and_round(words), min(wanted, limit)))
    tokens = texts
    texts, stopped = _cut(texts, sampling)
    for produced, (token, text) in enumerate(zip(tokens, texts, strict=False), 1):
        last = produced == len(texts)
        yield Chunk(
            text=text,
            finish_reason=("stop" if stopped else finish) if last else None,
            num_input_tokens=len(words),
            num_output_tokens=produced,
            logprobs=(likelihood(token, sampling.top_logprobs),) if text and _wants_logprobs(sampling) else (),
        )


def likelihood(word: str, top: int) -> TokenLogprob:
    """A word's log-probability: minus a tenth of its length.

    The likeliest at its place are the word itself and then the word with 1, 2, … behind it, each less likely by 1.
    """
    logprob = -len(word) / 10
    others = tuple(TokenLogprob(f"{word}{rank or ''}".encode(), logprob - rank) for rank in range(top))
    return TokenLogprob(word.encode(), logprob, others)


def _wants_logprobs(sampling: Sampling) -> bool:
    return sampling.logprobs or sampling.top_logprobs > 0


def _round_and_round(words: list[str]) -> Iterator[str]:
    yield from words
    while True:
        yield " " + words[0].lstrip()
        yield from words[1:]


def _cut(texts: list[str], sampling: Sampling) -> tuple[list[str], bool]:
    """Remove what follows the first stop text that the answer completes, as decoding word by word would find it."""
    answer = ""
    for produced, text in enumerate(texts, 1):
        answer += text
        found = [(answer.find(stop), stop) for stop in sampling.stop if stop and stop in answer]
        if found:
            start, stop = min(found)
            end = start + len(stop) if sampling.include_stop else start
            return _trim(texts[:produced], end), True
    return texts, False


def _trim(texts: list[str], length: int) -> list[str]:
    """The same pieces, holding the first `length` characters; a piece left with nothing stays as an empty text."""
    trimmed = []
    for text in texts:
        trimmed.append(text[:length])
        length = max(0, length - len(text))
    return trimmed
