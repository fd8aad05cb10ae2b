"""What a request may ask for, checked before any engine's library hears of it."""

from __future__ import annotations

import math

from argosy.core.errors import InputTooLong, InvalidRequest
from argosy.engines.contract import Sampling


def answer_length(
    sampling: Sampling,
    prompt_length: int,
    context_length: int,
    *,
    longest_input: int | None = None,
    longest_output: int | None = None,
) -> int:
    """Most tokens that the answer to a prompt may have.

    Args:
        sampling: as the caller gave it.
        prompt_length: tokens.
        context_length: most tokens of prompt and answer together.
        longest_input: most tokens of the prompt; None leaves it to the context.
        longest_output: most tokens of the answer; None leaves it to the context.

    Raises:
        InvalidRequest: the prompt is empty, or `max_tokens` is no length or more than the server allows.
        InputTooLong: prompt and answer do not fit.
    """
    if longest_input is not None and prompt_length > longest_input:
        raise InputTooLong(
            f"The prompt ({prompt_length} tokens) exceeds maximum allowed length {longest_input}. Shorten the prompt.",
            param="prompt",
        )
    room = _room(prompt_length, context_length)
    if sampling.max_tokens is None:
        return room if longest_output is None else min(room, longest_output)
    if sampling.max_tokens < 1:
        raise InvalidRequest(f"max_tokens is {sampling.max_tokens}; it must be at least 1.", param="max_tokens")
    if sampling.max_tokens > room:
        raise InputTooLong(
            f"The prompt ({prompt_length} tokens) plus max_tokens ({sampling.max_tokens}) exceeds maximum allowed "
            f"length {context_length}. Shorten the prompt or lower max_tokens.",
            param="max_tokens",
        )
    if longest_output is not None and sampling.max_tokens > longest_output:
        raise InvalidRequest(
            f"max_tokens is {sampling.max_tokens}; this server allows answers of at most {longest_output}.",
            param="max_tokens",
        )
    return sampling.max_tokens


def check_sampling(sampling: Sampling, max_tokens: int) -> None:
    """Refuse values outside their ranges.

    Args:
        sampling: as the caller gave it.
        max_tokens: what `answer_length` says.

    Raises:
        InvalidRequest: with the field of `Sampling` as its param.
    """
    _between("temperature", sampling.temperature, 0.0, math.inf)
    _between("top_p", sampling.top_p, 0.0, 1.0, open_below=True)
    _between("top_k", sampling.top_k, 0, math.inf)
    _between("repetition_penalty", sampling.repetition_penalty, 0.0, math.inf, open_below=True)
    _between("presence_penalty", sampling.presence_penalty, -2.0, 2.0)
    _between("frequency_penalty", sampling.frequency_penalty, -2.0, 2.0)
    _between("min_p", sampling.min_p, 0.0, 1.0)
    _between("min_tokens", sampling.min_tokens, 0, max_tokens)
    if any(not text for text in sampling.stop):
        raise InvalidRequest("A stop text is empty; leave it out.", param="stop")


def check_beside_constraint(sampling: Sampling) -> None:
    """Refuse what cannot be had together with a constraint: where it is satisfied only the end token is allowed.

    Raises:
        InvalidRequest: with the field of `Sampling` as its param.
    """
    if sampling.ignore_eos:
        raise InvalidRequest("ignore_eos cannot be combined with a constraint; leave one out.", param="ignore_eos")
    if sampling.min_tokens > 0:
        raise InvalidRequest("min_tokens cannot be combined with a constraint; leave one out.", param="min_tokens")


def _room(prompt_length: int, context_length: int) -> int:
    if prompt_length == 0:
        raise InvalidRequest("The prompt is empty; send at least one token.", param="prompt")
    room = context_length - prompt_length
    if room < 1:
        raise InputTooLong(
            f"The prompt ({prompt_length} tokens) plus one token of answer exceeds maximum allowed length "
            f"{context_length}. Shorten the prompt.",
            param="prompt",
        )
    return room


def _between(name: str, value: float, low: float, high: float, *, open_below: bool = False) -> None:
    inside = math.isfinite(value) and low <= value <= high and not (open_below and value == low)
    if not inside:
        least = f"greater than {low:g}" if open_below else f"at least {low:g}"
        most = f" and at most {high:g}" if math.isfinite(high) else ""
        raise InvalidRequest(f"{name} is {value}; it must be {least}{most}.", param=name)
