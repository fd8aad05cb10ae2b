"""From a request's sampling to the arguments of vLLM's `SamplingParams`; imports no library."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

from argosy.core.errors import InvalidRequest
from argosy.engines.contract import ConstraintKind, Sampling
from argosy.engines.grammar.messages import Grammar
from argosy.engines.text.constraints import enforceable
from argosy.engines.text.limits import check_beside_constraint, check_sampling

MOST_LOGPROBS = 20
"""Alternatives that can be told for each token; OpenAI's limit, and what the engine is started with."""
_GREEDY_BELOW = 1e-5
"""vLLM's own bound; below it, it would warn and do the same."""
_FIELDS = {
    ConstraintKind.JSON_SCHEMA: "json",
    ConstraintKind.REGEX: "regex",
    ConstraintKind.EBNF: "grammar",
    ConstraintKind.STRUCTURAL_TAG: "structural_tag",
}


def sampling_arguments(
    sampling: Sampling, max_tokens: int, *, vocabulary: int, end_tokens: Collection[int]
) -> dict[str, Any]:
    """Keyword arguments of `SamplingParams`, the constraint excepted.

    Args:
        sampling: as the caller gave it.
        max_tokens: most tokens of the answer.
        vocabulary: number of tokens that the network has a logit for.
        end_tokens: tokens that end an answer.

    Raises:
        InvalidRequest: a value the engine cannot honour.
    """
    check_sampling(sampling, max_tokens)
    _check_logprobs(sampling)
    return {
        "max_tokens": max_tokens,
        "min_tokens": sampling.min_tokens,
        "temperature": sampling.temperature if sampling.temperature >= _GREEDY_BELOW else 0.0,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "min_p": sampling.min_p,
        "repetition_penalty": sampling.repetition_penalty,
        "presence_penalty": sampling.presence_penalty,
        "frequency_penalty": sampling.frequency_penalty,
        # Torch's generators take 64 bits, and vLLM takes -1 for none.
        "seed": None if sampling.seed is None else sampling.seed % 2**63,
        "ignore_eos": sampling.ignore_eos,
        # Which end a generation even where `ignore_eos` is said.
        "stop_token_ids": [] if sampling.ignore_eos else sorted(end_tokens),
        "logprobs": sampling.top_logprobs if sampling.logprobs else None,
        "logit_bias": _logit_bias(sampling.logit_bias, vocabulary),
        # Text is made and stopped by `engines.text`.
        "detokenize": False,
    }


def grammar(sampling: Sampling) -> Grammar | None:
    """The constraint in words that the compiler enforces to the letter; None when the answer is free.

    Raises:
        InvalidRequest: it can be seen to be wrong, or does not go with the rest.
    """
    if sampling.constraint is None:
        return None
    check_beside_constraint(sampling)
    exact = enforceable(sampling.constraint)
    return Grammar(exact.kind, exact.text)


def structured_outputs(constraint: Grammar) -> dict[str, str]:
    """Keyword arguments of `StructuredOutputsParams`."""
    return {_FIELDS[ConstraintKind(constraint.kind)]: constraint.text}


def _check_logprobs(sampling: Sampling) -> None:
    if not 0 <= sampling.top_logprobs <= MOST_LOGPROBS:
        raise InvalidRequest(
            f"top_logprobs is {sampling.top_logprobs}; it must be at least 0 and at most {MOST_LOGPROBS}.",
            param="top_logprobs",
        )


def _logit_bias(bias: Mapping[int, float], vocabulary: int) -> dict[int, float] | None:
    for token, value in bias.items():
        if not 0 <= token < vocabulary:
            raise InvalidRequest(
                f"logit_bias names the token {token}; ids are 0 to {vocabulary - 1}.", param="logit_bias"
            )
        if not math.isfinite(value):
            raise InvalidRequest(f"logit_bias of the token {token} is {value}; write a number.", param="logit_bias")
    return dict(bias) or None
