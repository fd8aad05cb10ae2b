"""Checks a request's sampling and makes it complete."""

from __future__ import annotations

import secrets

from argosy.engines.contract import Sampling
from argosy.engines.grammar.messages import Grammar
from argosy.engines.openvino_genai.features import FEATURES
from argosy.engines.openvino_genai.messages import Settings
from argosy.engines.text.constraints import enforceable
from argosy.engines.text.features import refuse_missing
from argosy.engines.text.limits import answer_length, check_beside_constraint, check_sampling

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
    max_tokens = answer_length(
        sampling, prompt_length, context_length, longest_input=longest_input, longest_output=longest_output
    )
    check_sampling(sampling, max_tokens)
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
    check_beside_constraint(sampling)
    exact = enforceable(constraint)
    return Grammar(exact.kind, exact.text)
