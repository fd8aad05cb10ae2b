"""From a request's sampling to the arguments of TensorRT-LLM's `SamplingParams`, as plain data; imports no library.

Source: https://nvidia.github.io/TensorRT-LLM (1.2), LLM API, `SamplingParams`, and what `TRTLLMSampler` makes of them.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from argosy.core.errors import InvalidRequest
from argosy.engines.contract import ConstraintKind, Sampling
from argosy.engines.grammar.messages import Grammar
from argosy.engines.tensorrt_llm.features import FEATURES
from argosy.engines.tensorrt_llm.messages import Settings
from argosy.engines.text.constraints import enforceable
from argosy.engines.text.features import refuse_missing
from argosy.engines.text.limits import check_beside_constraint, check_sampling

MOST_TOP_K = 1024
"""The sampler's kernels consider no more, and would take this many without a word."""
_GREEDY_BELOW = 1e-5
_NO_END = -1
_GUIDES = {
    ConstraintKind.JSON_SCHEMA: "json",
    ConstraintKind.REGEX: "regex",
    ConstraintKind.EBNF: "grammar",
    ConstraintKind.STRUCTURAL_TAG: "structural_tag",
}


def resolve(sampling: Sampling, max_tokens: int, *, vocabulary: int, end_tokens: Sequence[int]) -> Settings:
    """What the worker is asked for.

    Args:
        sampling: as the caller gave it.
        max_tokens: most tokens of the answer.
        vocabulary: number of tokens that the network has a logit for.
        end_tokens: tokens that end an answer.

    Raises:
        InvalidRequest: a value the engine cannot honour, or a constraint that can be seen to be wrong.
        UnsupportedParameter: something the engine cannot do.
    """
    refuse_missing(sampling, FEATURES, "tensorrt_llm")
    check_sampling(sampling, max_tokens)
    _check_bias(sampling.logit_bias, vocabulary)
    ends = () if sampling.ignore_eos else tuple(end_tokens)
    arguments: dict[str, Any] = {
        "max_tokens": max_tokens,
        **_choice(sampling, vocabulary),
        **_penalties(sampling),
        **_ends(ends, ignored=sampling.ignore_eos),
        # Text is made and stopped by `engines.text`, and end tokens are counted.
        "detokenize": False,
        "include_stop_str_in_output": True,
    }
    if sampling.min_tokens > 0:
        arguments["min_tokens"] = _least(sampling.min_tokens, ends)
    if sampling.logprobs:
        arguments["logprobs"] = 1
    return Settings(arguments, dict(sampling.logit_bias), _grammar(sampling))


def guide(constraint: Grammar) -> dict[str, str]:
    """Keyword arguments of `GuidedDecodingParams`."""
    return {_GUIDES[ConstraintKind(constraint.kind)]: constraint.text}


def _choice(sampling: Sampling, vocabulary: int) -> dict[str, Any]:
    """How a token is drawn. With neither `top_k` nor `top_p` the library is greedy at any temperature."""
    if sampling.temperature < _GREEDY_BELOW:
        return {"top_k": 1}
    top_k = 0 if sampling.top_k >= vocabulary else sampling.top_k
    if top_k > MOST_TOP_K:
        raise InvalidRequest(f"top_k is {top_k}; this engine takes 1 to {MOST_TOP_K}, or 0 for all.", param="top_k")
    # Without a seed the library takes 0, for every request.
    seed = secrets.randbits(63) if sampling.seed is None else sampling.seed % 2**63
    drawn: dict[str, Any] = {
        "temperature": sampling.temperature,
        "top_k": top_k,
        "top_p": sampling.top_p,
        "seed": seed,
    }
    if sampling.min_p > 0:
        drawn["min_p"] = sampling.min_p
    return drawn


def _penalties(sampling: Sampling) -> dict[str, float]:
    values = {
        "repetition_penalty": (sampling.repetition_penalty, 1.0),
        "presence_penalty": (sampling.presence_penalty, 0.0),
        "frequency_penalty": (sampling.frequency_penalty, 0.0),
    }
    return {name: value for name, (value, neutral) in values.items() if value != neutral}


def _ends(ends: Sequence[int], *, ignored: bool) -> dict[str, Any]:
    first = ends[0] if ends else _NO_END
    return {
        "end_id": first,
        "pad_id": max(first, 0),
        "stop_token_ids": list(ends[1:]) or None,
        "ignore_eos": ignored,
    }


def _least(min_tokens: int, ends: Sequence[int]) -> int:
    if len(ends) > 1:
        # The library holds back one end token; the others are stop words to it, which it does not.
        raise InvalidRequest(
            "min_tokens cannot be held for this model, which has several end tokens; leave it out, or send ignore_eos.",
            param="min_tokens",
        )
    return min_tokens


def _check_bias(bias: Mapping[int, float], vocabulary: int) -> None:
    for token, value in bias.items():
        if not 0 <= token < vocabulary:
            raise InvalidRequest(
                f"logit_bias names the token {token}; ids are 0 to {vocabulary - 1}.", param="logit_bias"
            )
        if not math.isfinite(value):
            raise InvalidRequest(f"logit_bias of the token {token} is {value}; write a number.", param="logit_bias")


def _grammar(sampling: Sampling) -> Grammar | None:
    if sampling.constraint is None:
        return None
    check_beside_constraint(sampling)
    exact = enforceable(sampling.constraint)
    return Grammar(exact.kind, exact.text)
