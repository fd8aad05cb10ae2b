"""`POST /v1/completions`."""

from __future__ import annotations

import time
from typing import Annotated, Any

from msgspec import Meta

from argosy.api.http.bodies import BodyReader
from argosy.api.http.exchange import Exchange
from argosy.api.openai.chunks import TextChunks
from argosy.api.openai.generation import FIELDS, UNSUPPORTED, GenerationBody, Tally, fan_out, sampling
from argosy.api.openai.inputs import check_token_lists, parse_inputs
from argosy.api.openai.replies import TextChoice, TextCompletion, Usage, encode
from argosy.api.openai.streaming import stream_answer, whole_answer
from argosy.core.models import Task
from argosy.server.catalog.catalog import Catalog
from argosy.server.dataplane.generate import Generator

_MOST_PROMPTS = 64
_FIELDS = {**FIELDS, "text_input": "prompt", "input_ids": "prompt"}
_PROMPT_SCHEMA = {
    "oneOf": [
        {"type": "string"},
        {"type": "array", "items": {"type": "string"}},
        {"type": "array", "items": {"type": "integer"}},
        {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}},
    ]
}


class CompletionBody(GenerationBody, frozen=True, kw_only=True):
    """The request."""

    prompt: Annotated[Any, Meta(extra_json_schema=_PROMPT_SCHEMA)]


class Completions:
    """Continues prompts."""

    def __init__(self, catalog: Catalog, generator: Generator) -> None:
        self._catalog = catalog
        self._generator = generator
        self._reader = BodyReader(CompletionBody, UNSUPPORTED)

    async def create(self, exchange: Exchange) -> None:
        """Continue one or several prompts, at once or as a stream; choice index = prompt index x n + choice."""
        exchange.fields = _FIELDS
        body = await exchange.read(self._reader)
        model = self._catalog.resolve(body.model, Task.GENERATE).model
        call = exchange.call(model)
        prompts = parse_inputs(body.prompt, "prompt", _MOST_PROMPTS)
        check_token_lists(prompts, "prompt", model.max_tokens)
        requests = fan_out(prompts, body.choices, sampling(body, model, body.max_tokens, "max_tokens"))
        identity, created, tally = f"cmpl-{exchange.request_id}", int(time.time()), Tally(body.choices)
        if body.stream:
            writer = TextChunks(identity, created, body.model, usage=body.wants_usage)
            await stream_answer(exchange, self._generator, model, requests, call, writer, tally, usage=body.wants_usage)
            return
        answers = await whole_answer(self._generator, model, requests, call, tally)
        tally.report(exchange)
        choices = [TextChoice(index, text, reason) for index, (text, reason) in enumerate(answers)]
        usage = Usage.of(tally.prompt_tokens, tally.completion_tokens)
        await exchange.reply(encode(TextCompletion(identity, "text_completion", created, body.model, choices, usage)))
