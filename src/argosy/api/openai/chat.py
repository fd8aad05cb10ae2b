"""`POST /v1/chat/completions`."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from msgspec import Meta

from argosy.api.http.bodies import BodyReader, FieldFact, Refusal
from argosy.api.http.exchange import Exchange
from argosy.api.openai.chat_answers import ChatEvents, Reading
from argosy.api.openai.chunks import ChatChunks
from argosy.api.openai.constraints import Wanted, checked, wanted, warning
from argosy.api.openai.fields import DEPENDS, FIELDS, IGNORED, INNER_REFUSED, NOTES, REFUSED, GenerationBody
from argosy.api.openai.generation import Odds, Tally, fan_out, sampling
from argosy.api.openai.messages import MESSAGE_DEPENDS, MESSAGE_REFUSED, Messages, plain
from argosy.api.openai.replies import ChatCompletion, Usage, encode
from argosy.api.openai.streaming import CountedEvents, Events, PlainEvents, stream_answer, whole_answers
from argosy.api.openai.thinking import template_switches
from argosy.api.openai.tools import TOOL_DEPENDS, ToolChoice, Tooling, Tools, tooling
from argosy.core.errors import InvalidRequest
from argosy.core.models import Task
from argosy.engines.contract import Constraint, Sampling
from argosy.server.catalog.catalog import Catalog, ServedModel
from argosy.server.dataplane.generate import Generator
from argosy.server.text import reasoning
from argosy.server.text.templates import ChatTemplates
from argosy.server.text.tools import forced

_FIELDS = {**FIELDS, "text_input": "messages", "input_ids": "messages", "prompt": "messages"}
_REFUSED = {**REFUSED, "echo": Refusal((None, False), "A conversation is not repeated; use /v1/completions.")}
_DEPENDS = {
    **DEPENDS,
    "logprobs": "needs an engine with the feature logprobs",
    "top_logprobs": "more than 0 needs an engine with the feature top_logprobs",
    **MESSAGE_DEPENDS,
    **TOOL_DEPENDS,
    "tool_choice": "required and a named function need an engine with the feature constraint",
    "reasoning_effort": "needs a model with a reasoning parser",
    "chat_template_kwargs": "needs a model with a reasoning parser; enable_thinking and thinking only",
}


class ChatBody(GenerationBody, frozen=True, kw_only=True):
    """The request."""

    messages: Messages
    max_completion_tokens: Annotated[int, Meta(ge=1)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    tools: Tools | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = None
    chat_template_kwargs: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a valid request asks for, before its prompt is known.

    Attributes:
        constraint: the form of the answer.
        field: the request field that asks for the form.
        variables: what the template is told beside the messages.
        left_open: keywords of JSON schemas that are not enforced, by the request field.
    """

    drawn: Sampling
    tooling: Tooling | None
    constraint: Constraint | None
    field: str
    variables: dict[str, Any]
    left_open: dict[str, tuple[str, ...]]


class ChatCompletions:
    """Answers conversations."""

    def __init__(self, catalog: Catalog, generator: Generator, templates: ChatTemplates) -> None:
        self._catalog = catalog
        self._generator = generator
        self._templates = templates
        self._reader = BodyReader(
            ChatBody,
            _REFUSED,
            refused={**INNER_REFUSED, **MESSAGE_REFUSED},
            depends=_DEPENDS,
            ignored=IGNORED,
            notes=NOTES,
        )

    def fields(self) -> list[FieldFact]:
        """What becomes of each request field."""
        return self._reader.fields()

    async def create(self, exchange: Exchange) -> None:
        """Answer a conversation, at once or as a stream."""
        exchange.fields = _FIELDS
        body = await exchange.read(self._reader)
        model = self._catalog.resolve(body.model, Task.GENERATE).model
        call = exchange.call(model)
        plan = _plan(body, model)
        for field, left_open in plan.left_open.items():
            exchange.tell(warning(field, left_open))
        exchange.fields = {**_FIELDS, "max_tokens": _limit(body)[0], "constraint": plan.field or "constraint"}
        messages = [plain(message, index) for index, message in enumerate(body.messages)]
        prompt = await self._templates.render(
            model.root, messages, deadline=call.deadline, variables=plan.variables or None
        )
        reading, constraint = _read_by(plan, model, prompt)
        requests = fan_out([prompt], body.choices, replace(plan.drawn, constraint=constraint))
        identity, created, tally = f"chatcmpl-{exchange.request_id}", int(time.time()), Tally(body.choices)
        if body.stream:
            writer = ChatChunks(identity, created, body.model, usage=body.wants_usage)
            events: Events = (
                PlainEvents(writer, tally) if reading.plain else ChatEvents(reading, writer, tally, body.choices)
            )
            if body.wants_counts:
                events = CountedEvents(events, writer, body.choices)
            usage = writer if body.wants_usage else None
            await stream_answer(exchange, self._generator, model, requests, call, events, tally, usage)
            return
        answers = await whole_answers(self._generator, model, requests, call, tally)
        tally.report(exchange)
        choices = [reading.choice(index, answer) for index, answer in enumerate(answers)]
        usage_counts = Usage.of(tally.prompt_tokens, tally.completion_tokens)
        completion = ChatCompletion(identity, "chat.completion", created, body.model, choices, usage_counts)
        await exchange.reply(encode(completion))


def _plan(body: ChatBody, model: ServedModel) -> _Plan:
    """Check everything that can be checked before the template runs.

    Raises:
        InvalidRequest: fields contradict one another or are out of bounds.
        UnsupportedParameter: the model or its engine cannot do what a field asks for.
    """
    if body.top_logprobs and not body.logprobs:
        raise InvalidRequest("'top_logprobs' needs 'logprobs': true.", param="top_logprobs")
    drawn = sampling(body, model, _limit(body), Odds(bool(body.logprobs), body.top_logprobs or 0))
    # The template writes the special tokens itself.
    drawn = replace(drawn, add_special_tokens=False)
    variables = template_switches(body.chat_template_kwargs, body.reasoning_effort, model)
    content = wanted(body, model)
    tools = tooling(body.tools, body.tool_choice, model, parallel=body.parallel_tool_calls is not False)
    constraint, field = _form(tools, content)
    if tools is not None:
        variables["tools"] = tools.definitions
    return _Plan(drawn, tools, constraint, field, variables, _left_open(tools, content))


def _left_open(tools: Tooling | None, content: Wanted | None) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    if tools is not None and (tools.form is not None or content is not None) and (words := tools.left_open()):
        found["tools"] = words
    if content is not None and content.left_open and (tools is None or tools.form is None):
        found[content.field] = content.left_open
    return found


def _form(tools: Tooling | None, content: Wanted | None) -> tuple[Constraint | None, str]:
    """The form of an answer, which may be a call, or must, and the request field that asks for it."""
    if tools is None:
        return (None, "") if content is None else (content.constraint, content.field)
    if tools.form is not None:
        if content is not None and not content.field.startswith("response_format"):
            raise InvalidRequest(
                f"'tool_choice' makes the answer a call and '{content.field}' gives it another form. Send one of them.",
                param=content.field,
            )
        # A call has no content whose format `response_format` could decide.
        return forced.as_constraint(tools.form), "tool_choice"
    if content is None:
        return None, ""
    return checked(forced.as_constraint(tools.beside(content)), content.field), content.field


def _read_by(plan: _Plan, model: ServedModel, prompt: str) -> tuple[Reading, Constraint | None]:
    """How the answers to the prompt are read, and the form they must have, thought included."""
    thinks = model.spec.generate is not None and model.spec.generate.reasoning_parser is not None
    opened = thinks and reasoning.opened_by(prompt)
    reading = Reading(plan.tooling, thinks, opened, plan.drawn.logprobs)
    if plan.constraint is None or not thinks or reasoning.closed_by(prompt):
        return reading, plan.constraint
    return reading, forced.as_constraint(forced.after_thought(forced.as_format(plan.constraint), opened=opened))


def _limit(body: ChatBody) -> tuple[str, int | None]:
    """The most tokens of an answer, under the name that counts: the newer one when a client sends both."""
    if body.max_completion_tokens is not None:
        return "max_completion_tokens", body.max_completion_tokens
    return "max_tokens", body.max_tokens
