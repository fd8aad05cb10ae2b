"""Checks a request's sampling and makes it complete."""

from __future__ import annotations

import math
import secrets

from argosy.core.errors import InputTooLong, InvalidRequest
from argosy.engines.contract import Sampling
from argosy.engines.openvino_genai.features import FEATURES
from argosy.engines.openvino_genai.messages import Grammar, Settings
from argosy.engines.text.constraints import enforceable
from argosy.engines.text.features import refuse_missing

# The library computes in 32 bits, where smaller numbers are 0, and refuses 0; and it refuses the whole as a share.
_SMALLEST = 1e-5
_LARGEST_SHARE = 0.99999
_GREEDY_BELOW = 1e-5
"""Temperatures below are greedy: dividing by them leaves the range of 32-bit floats."""


def resolve(
    sampling: Sampling,
    prompt_length: int,
    context_length: int,
    *,
    longest_input: int | None = None,
    longest_output: int | None = None,
) -> Settings:
    """Complete settings for a prompt of `prompt_length` tokens.

    Args:
        sampling: as the caller gave it.
        prompt_length: tokens.
        context_length: most tokens of prompt and answer together.
        longest_input: most tokens of the prompt; None leaves it to the context.
        longest_output: most tokens of the answer; None leaves it to the context.

    Raises:
        InvalidRequest: a value the engine cannot honour, or a constraint that can be seen to be wrong.
        UnsupportedParameter: something the engine cannot do.
        InputTooLong: prompt and answer do not fit.
    """
    refuse_missing(sampling, FEATURES, "openvino_genai")
    if longest_input is not None and prompt_length > longest_input:
        raise InputTooLong(
            f"The prompt ({prompt_length} tokens) exceeds maximum allowed length {longest_input}. Shorten the prompt.",
            param="prompt",
        )
    max_tokens = _max_tokens(sampling, prompt_length, context_length, longest_output)
    _check(sampling, max_tokens)
    return Settings(
        max_tokens=max_tokens,
        min_tokens=sampling.min_tokens,
        temperature=sampling.temperature if sampling.temperature >= _GREEDY_BELOW else 0.0,
        top_p=max(sampling.top_p, _SMALLEST),
        top_k=sampling.top_k,
        repetition_penalty=max(sampling.repetition_penalty, _SMALLEST),
        presence_penalty=sampling.presence_penalty,
        frequency_penalty=sampling.frequency_penalty,
        seed=secrets.randbits(32) if sampling.seed is None else sampling.seed % 2**64,
        ignore_eos=sampling.ignore_eos,
        min_p=min(sampling.min_p, _LARGEST_SHARE),
        logprobs=sampling.logprobs,
        constraint=_grammar(sampling),
    )


def _grammar(sampling: Sampling) -> Grammar | None:
    constraint = sampling.constraint
    if constraint is None:
        return None
    # Where the constraint is satisfied only the end token is allowed; without it the library writes noise.
    if sampling.ignore_eos:
        raise InvalidRequest("ignore_eos cannot be combined with a constraint; leave one out.", param="ignore_eos")
    if sampling.min_tokens > 0:
        raise InvalidRequest("min_tokens cannot be combined with a constraint; leave one out.", param="min_tokens")
    exact = enforceable(constraint)
    return Grammar(exact.kind, exact.text)


def _max_tokens(sampling: Sampling, prompt_length: int, context_length: int, longest_output: int | None) -> int:
    if prompt_length == 0:
        raise InvalidRequest("The prompt is empty; send at least one token.", param="prompt")
    room = context_length - prompt_length
    if room < 1:
        raise InputTooLong(
            f"The prompt ({prompt_length} tokens) plus one token of answer exceeds maximum allowed length "
            f"{context_length}. Shorten the prompt.",
            param="prompt",
        )
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


def _check(sampling: Sampling, max_tokens: int) -> None:
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


def _between(name: str, value: float, low: float, high: float, *, open_below: bool = False) -> None:
    inside = math.isfinite(value) and low <= value <= high and not (open_below and value == low)
    if not inside:
        least = f"greater than {low:g}" if open_below else f"at least {low:g}"
        most = f" and at most {high:g}" if math.isfinite(high) else ""
        raise InvalidRequest(f"{name} is {value}; it must be {least}{most}.", param=name)
