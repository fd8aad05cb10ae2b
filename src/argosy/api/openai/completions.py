"""`POST /v1/completions`."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Annotated, Any

from msgspec import Meta

from argosy.api.http.bodies import BodyReader, FieldFact, Refusal
from argosy.api.http.exchange import Exchange
from argosy.api.openai.chunks import TextChunks
from argosy.api.openai.constraints import wanted, warning
from argosy.api.openai.fields import DEPENDS, FIELDS, IGNORED, INNER_REFUSED, NOTES, REFUSED, GenerationBody
from argosy.api.openai.generation import Odds, Tally, fan_out, sampling
from argosy.api.openai.inputs import Inputs, check_token_lists, parse_inputs
from argosy.api.openai.replies import TextCompletion, Usage, encode
from argosy.api.openai.streaming import CountedEvents, Events, PlainEvents, stream_answer, whole_answers
from argosy.api.openai.text_answers import TextEvents, text_choice
from argosy.core.errors import UnsupportedParameter
from argosy.core.models import Task
from argosy.server.catalog.catalog import Catalog
from argosy.server.dataplane.generate import Generator

_MOST_PROMPTS = 64
_FIELDS = {**FIELDS, "text_input": "prompt", "input_ids": "prompt"}
_CHAT = "It belongs to /v1/chat/completions."
_REFUSED = {
    **REFUSED,
    "messages": Refusal((None,), _CHAT),
    "tools": Refusal((None, []), _CHAT),
    "tool_choice": Refusal((None, "none", "auto"), _CHAT),
    "reasoning_effort": Refusal((None, "none"), _CHAT),
    "chat_template_kwargs": Refusal((None, {}), _CHAT),
    "top_logprobs": Refusal((None, 0), "On this route 'logprobs' is their number."),
}
_DEPENDS = {
    **DEPENDS,
    "logprobs": "0 needs an engine with the feature logprobs, more also one with top_logprobs",
}
_NOTES = {**NOTES, "echo": "not with 'logprobs', nor with prompts of token ids"}
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
    logprobs: Annotated[int, Meta(ge=0, le=5)] | None = None
    echo: bool | None = None


class Completions:
    """Continues prompts."""

    def __init__(self, catalog: Catalog, generator: Generator) -> None:
        self._catalog = catalog
        self._generator = generator
        self._reader = BodyReader(
            CompletionBody, _REFUSED, refused=INNER_REFUSED, depends=_DEPENDS, ignored=IGNORED, notes=_NOTES
        )

    def fields(self) -> list[FieldFact]:
        """What becomes of each request field."""
        return self._reader.fields()

    async def create(self, exchange: Exchange) -> None:
        """Continue one or several prompts, at once or as a stream; choice index = prompt index x n + choice."""
        exchange.fields = _FIELDS
        body = await exchange.read(self._reader)
        model = self._catalog.resolve(body.model, Task.GENERATE).model
        call = exchange.call(model)
        prompts = parse_inputs(body.prompt, "prompt", _MOST_PROMPTS)
        check_token_lists(prompts, "prompt", model.max_tokens)
        odds = Odds(body.logprobs is not None, body.logprobs or 0, "logprobs")
        echoed = _echoed(body, prompts)
        drawn = sampling(body, model, ("max_tokens", body.max_tokens), odds)
        if (form := wanted(body, model)) is not None:
            drawn = replace(drawn, constraint=form.constraint)
            if form.left_open:
                exchange.tell(warning(form.field, form.left_open))
        exchange.fields = {**_FIELDS, "top_logprobs": "logprobs", "constraint": form.field if form else "constraint"}
        requests = fan_out(prompts, body.choices, drawn)
        identity, created, tally = f"cmpl-{exchange.request_id}", int(time.time()), Tally(body.choices)
        if body.stream:
            writer = TextChunks(identity, created, body.model, usage=body.wants_usage)
            plain = not body.echo and not odds.wanted
            events: Events = PlainEvents(writer, tally) if plain else TextEvents(writer, tally, echoed, odds)
            if body.wants_counts:
                events = CountedEvents(events, writer, body.choices)
            usage = writer if body.wants_usage else None
            await stream_answer(exchange, self._generator, model, requests, call, events, tally, usage)
            return
        answers = await whole_answers(self._generator, model, requests, call, tally)
        tally.report(exchange)
        choices = [text_choice(index, echoed[index], answer, odds) for index, answer in enumerate(answers)]
        usage_counts = Usage.of(tally.prompt_tokens, tally.completion_tokens)
        completion = TextCompletion(identity, "text_completion", created, body.model, choices, usage_counts)
        await exchange.reply(encode(completion))


def _echoed(body: CompletionBody, prompts: Inputs) -> list[str]:
    """For each choice the text in front of its answer.

    Raises:
        UnsupportedParameter: the prompt's own text or log-probabilities would be needed and are not known here.
    """
    if not body.echo:
        return [""] * (len(prompts) * body.choices)
    if body.logprobs is not None:
        raise UnsupportedParameter(
            "'echo' is not possible with 'logprobs': only the answer's tokens have log-probabilities. "
            "Leave one of them out.",
            param="echo",
        )
    texts = [prompt for prompt in prompts if isinstance(prompt, str)]
    if len(texts) < len(prompts):
        raise UnsupportedParameter("'echo' needs prompts that are text, not token ids.", param="echo")
    return [text for text in texts for _ in range(body.choices)]
