"""What chat and text completions have in common: sampling fields, fields refused, usage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from argosy.api.http.exchange import Exchange
from argosy.core.errors import InputTooLong
from argosy.engines.contract import Chunk, GenerationRequest, Sampling
from argosy.server.catalog.catalog import ServedModel

_SEEDS = 2**63

UNSUPPORTED: Mapping[str, tuple[Any, ...]] = {
    "logprobs": (None, False),
    "top_logprobs": (None, 0),
    "prompt_logprobs": (None, 0),
    "logit_bias": (None, {}),
    "best_of": (None, 1),
    "suffix": (None, ""),
    "echo": (None, False),
    "response_format": (None, {"type": "text"}),
    "tools": (None, []),
    "tool_choice": (None, "none", "auto"),
    "functions": (None, []),
    "function_call": (None, "none", "auto"),
    "modalities": (None, ["text"]),
    "audio": (None,),
    "prediction": (None,),
    "web_search_options": (None,),
    "min_p": (None, 0),
    "guided_json": (None,),
    "guided_choice": (None,),
    "guided_regex": (None,),
    "guided_grammar": (None,),
    "structured_outputs": (None,),
    "nvext": (None, {}),
    "chat_template": (None,),
    "chat_template_kwargs": (None, {}),
    "documents": (None, []),
    "cache_salt": (None,),
}
"""Fields that would change the answer and cannot be honoured, with the values that ask for nothing."""

FIELDS: Mapping[str, str] = {"include_stop": "include_stop_str_in_output", "sampling_parameters": "model"}
"""Names the engine uses for request fields that are called otherwise here."""

_Stop = Annotated[str, Meta(min_length=1, max_length=256)]


class StreamOptions(msgspec.Struct, frozen=True):
    """How a stream is sent."""

    include_usage: bool | None = None


class GenerationBody(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of both routes; `null` means the default everywhere."""

    model: str
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Annotated[int, Meta(ge=1, le=8)] | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    min_tokens: Annotated[int, Meta(ge=0)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=-1, le=1_000_000)] | None = None
    frequency_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    presence_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    repetition_penalty: Annotated[float, Meta(gt=0, le=2)] | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    stop: _Stop | Annotated[list[_Stop], Meta(max_length=16)] | None = None
    ignore_eos: bool | None = None
    include_stop_str_in_output: bool | None = None
    user: str | None = None

    @property
    def choices(self) -> int:
        """Answers wanted for each prompt."""
        return self.n or 1

    @property
    def wants_usage(self) -> bool:
        """Whether a stream ends with a chunk of token counts."""
        return self.stream_options is not None and bool(self.stream_options.include_usage)


def sampling(body: GenerationBody, model: ServedModel, max_tokens: int | None, param: str, **fixed: bool) -> Sampling:
    """How the body asks for its answers to be drawn.

    Args:
        body: the decoded request.
        model: the model it is for.
        max_tokens: the limit asked for, under whichever name.
        param: that name.
        fixed: fields of `Sampling` that the route decides.

    Raises:
        InputTooLong: `max_tokens` alone is more than the model's context.
    """
    if max_tokens is not None and max_tokens > model.max_tokens:
        raise InputTooLong(
            f"'{param}' is {max_tokens}, which exceeds maximum allowed token size {model.max_tokens}. Ask for less.",
            param=param,
        )
    stop = (body.stop,) if isinstance(body.stop, str) else tuple(body.stop or ())
    return Sampling(
        max_tokens=max_tokens,
        min_tokens=body.min_tokens or 0,
        temperature=1.0 if body.temperature is None else body.temperature,
        top_p=1.0 if body.top_p is None else body.top_p,
        top_k=max(0, body.top_k or 0),
        repetition_penalty=body.repetition_penalty or 1.0,
        presence_penalty=body.presence_penalty or 0.0,
        frequency_penalty=body.frequency_penalty or 0.0,
        seed=body.seed,
        stop=stop,
        ignore_eos=bool(body.ignore_eos),
        include_stop=bool(body.include_stop_str_in_output),
        **fixed,
    )


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
