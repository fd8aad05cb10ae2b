"""`POST /v1/chat/completions`."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from argosy.api.http.bodies import BodyReader
from argosy.api.http.exchange import Exchange
from argosy.api.openai.chunks import ChatChunks
from argosy.api.openai.generation import FIELDS, UNSUPPORTED, GenerationBody, Tally, fan_out, sampling
from argosy.api.openai.replies import ChatChoice, ChatCompletion, ChatMessage, Usage, encode
from argosy.api.openai.streaming import stream_answer, whole_answer
from argosy.core.errors import InvalidRequest, UnsupportedParameter
from argosy.core.models import Task
from argosy.engines.contract import GenerationRequest
from argosy.server.catalog.catalog import Catalog, ServedModel
from argosy.server.dataplane.call import Call
from argosy.server.dataplane.generate import Generator
from argosy.server.text.templates import ChatTemplates

_FIELDS = {**FIELDS, "text_input": "messages", "input_ids": "messages", "prompt": "messages"}


class ContentPart(msgspec.Struct, frozen=True):
    """A piece of a message."""

    type: str
    text: str | None = None


class Message(msgspec.Struct, frozen=True):
    """A turn of the conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[ContentPart] | None = None
    name: str | None = None
    tool_calls: list[dict[str, Any]] | None = None
    tool_call_id: str | None = None


class ChatBody(GenerationBody, frozen=True, kw_only=True):
    """The request."""

    messages: Annotated[list[Message], Meta(min_length=1, max_length=4096)]
    max_completion_tokens: Annotated[int, Meta(ge=1)] | None = None


class ChatCompletions:
    """Answers conversations."""

    def __init__(self, catalog: Catalog, generator: Generator, templates: ChatTemplates) -> None:
        self._catalog = catalog
        self._generator = generator
        self._templates = templates
        self._reader = BodyReader(ChatBody, UNSUPPORTED)

    async def create(self, exchange: Exchange) -> None:
        """Answer a conversation, at once or as a stream."""
        exchange.fields = _FIELDS
        body = await exchange.read(self._reader)
        model = self._catalog.resolve(body.model, Task.GENERATE).model
        call = exchange.call(model)
        requests = await self._requests(body, model, call)
        identity, created, tally = f"chatcmpl-{exchange.request_id}", int(time.time()), Tally(body.choices)
        if body.stream:
            writer = ChatChunks(identity, created, body.model, usage=body.wants_usage)
            await stream_answer(exchange, self._generator, model, requests, call, writer, tally, usage=body.wants_usage)
            return
        answers = await whole_answer(self._generator, model, requests, call, tally)
        tally.report(exchange)
        choices = [
            ChatChoice(index, ChatMessage("assistant", text), reason) for index, (text, reason) in enumerate(answers)
        ]
        usage = Usage.of(tally.prompt_tokens, tally.completion_tokens)
        await exchange.reply(encode(ChatCompletion(identity, "chat.completion", created, body.model, choices, usage)))

    async def _requests(self, body: ChatBody, model: ServedModel, call: Call) -> list[GenerationRequest]:
        # The newer name wins when a client sends both.
        newer = body.max_completion_tokens is not None
        limit = body.max_completion_tokens if newer else body.max_tokens
        # The template writes the special tokens itself.
        drawn = sampling(
            body, model, limit, "max_completion_tokens" if newer else "max_tokens", add_special_tokens=False
        )
        messages = [_plain(message, index) for index, message in enumerate(body.messages)]
        prompt = await self._templates.render(model.root, messages, deadline=call.deadline)
        return fan_out([prompt], body.choices, drawn)


def _plain(message: Message, index: int) -> dict[str, Any]:
    """The message as templates know it: plain data, content as one text, absent fields left out."""
    plain: dict[str, Any] = {
        # Templates predate OpenAI's second name for the same role.
        "role": "system" if message.role == "developer" else message.role,
        "content": _text(message, index),
    }
    for name in ("name", "tool_calls", "tool_call_id"):
        value = getattr(message, name)
        if value is not None:
            plain[name] = value
    return plain


def _text(message: Message, index: int) -> str:
    if isinstance(message.content, str):
        return message.content
    if message.content is None:
        if message.role == "assistant":
            return ""
        raise InvalidRequest(f"'messages[{index}].content' is missing.", param=f"messages[{index}].content")
    texts = []
    for place, part in enumerate(message.content):
        if part.type != "text" or part.text is None:
            where = f"messages[{index}].content[{place}]"
            raise UnsupportedParameter(
                f"'{where}' is of type {part.type[:32]!r}; this model takes text parts only.", param=where
            )
        texts.append(part.text)
    return "".join(texts)
