"""What chat and text completions have in common: how answers are drawn, and usage."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from argosy.api.http.exchange import Exchange
from argosy.api.openai.features import require
from argosy.api.openai.fields import GenerationBody
from argosy.core.errors import InputTooLong, InvalidRequest
from argosy.engines.contract import Chunk, Feature, GenerationRequest, Sampling
from argosy.server.catalog.catalog import ServedModel

_SEEDS = 2**63
_TOKEN_ID = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Odds:
    """The log-probabilities that a request asks for.

    Attributes:
        top: how many of the likeliest tokens at each place.
        top_field: the request field that says so.
    """

    wanted: bool = False
    top: int = 0
    top_field: str = "top_logprobs"


def sampling(body: GenerationBody, model: ServedModel, limit: tuple[str, int | None], odds: Odds) -> Sampling:
    """How the body asks for its answers to be drawn, a constraint apart.

    Args:
        body: the decoded request.
        model: the model it is for.
        limit: the most tokens asked for, under whichever name.
        odds: the log-probabilities asked for.

    Raises:
        InputTooLong: the limit alone is more than the model's context.
        InvalidRequest: a field contradicts its twin in `nvext`, or holds no token ids.
        UnsupportedParameter: the engine cannot do what a field asks for.
    """
    _check_limit(limit, model)
    _check_features(body, model, odds)
    return Sampling(
        max_tokens=limit[1],
        min_tokens=body.min_tokens or 0,
        temperature=1.0 if body.temperature is None else body.temperature,
        top_p=1.0 if body.top_p is None else body.top_p,
        top_k=max(0, _twin(body, "top_k") or 0),
        min_p=body.min_p or 0.0,
        repetition_penalty=_twin(body, "repetition_penalty") or 1.0,
        presence_penalty=body.presence_penalty or 0.0,
        frequency_penalty=body.frequency_penalty or 0.0,
        seed=body.seed,
        stop=(body.stop,) if isinstance(body.stop, str) else tuple(body.stop or ()),
        logit_bias=_biases(body.logit_bias or {}),
        logprobs=odds.wanted,
        top_logprobs=odds.top,
        counts=body.wants_counts,
        ignore_eos=bool(_twin(body, "ignore_eos")),
        include_stop=bool(body.include_stop_str_in_output),
    )


def _check_limit(limit: tuple[str, int | None], model: ServedModel) -> None:
    field, max_tokens = limit
    if max_tokens is not None and max_tokens > model.max_tokens:
        raise InputTooLong(
            f"'{field}' is {max_tokens}, which exceeds maximum allowed token size {model.max_tokens}. Ask for less.",
            param=field,
        )


def _check_features(body: GenerationBody, model: ServedModel, odds: Odds) -> None:
    asked = (
        (Feature.LOGPROBS, "logprobs", odds.wanted),
        (Feature.TOP_LOGPROBS, odds.top_field, odds.top),
        (Feature.MIN_P, "min_p", body.min_p),
        (Feature.LOGIT_BIAS, "logit_bias", body.logit_bias),
    )
    for feature, field, value in asked:
        if value:
            require(model, feature, field)


def _twin(body: GenerationBody, field: str) -> Any:
    """The value of a field that may also stand in `nvext`."""
    own = getattr(body, field)
    other = None if body.nvext is None else getattr(body.nvext, field)
    if own is not None and other is not None and own != other:
        raise InvalidRequest(
            f"'{field}' and 'nvext.{field}' contradict each other. Send one of them.", param=f"nvext.{field}"
        )
    return other if own is None else own


def _biases(given: dict[str, float]) -> dict[int, float]:
    for token in given:
        if not _TOKEN_ID.fullmatch(token):
            raise InvalidRequest(f"'logit_bias' has the name {token[:32]!r}, which is no token id.", param="logit_bias")
    return {int(token): bias for token, bias in given.items()}


def fan_out(prompts: Sequence[str | list[int]], choices: int, drawn: Sampling) -> list[GenerationRequest]:
    """One engine request a choice, prompt by prompt; a given seed counts up so that choices differ."""
    requests = []
    for prompt in prompts:
        tokens = prompt if isinstance(prompt, str) else np.array(prompt, dtype=np.int32)
        for choice in range(choices):
            own = drawn
            if drawn.seed is not None and choice:
                seed = (drawn.seed + choice + _SEEDS) % (2 * _SEEDS) - _SEEDS
                own = replace(drawn, seed=seed)
            requests.append(GenerationRequest(tokens, own))
    return requests


class Tally:
    """Token counts of one request's choices; a prompt counts once however many choices it has."""

    __slots__ = ("_choices", "completion_tokens", "prompt_tokens")

    def __init__(self, choices: int) -> None:
        self._choices = choices
        self.prompt_tokens = 0
        self.completion_tokens = 0

    def add(self, index: int, last: Chunk) -> None:
        """Count a choice by its last chunk."""
        if index % self._choices == 0:
            self.prompt_tokens += last.num_input_tokens
        self.completion_tokens += last.num_output_tokens

    def report(self, exchange: Exchange) -> None:
        """Tell the access log."""
        exchange.count(self.prompt_tokens, self.completion_tokens)
