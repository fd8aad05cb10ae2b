"""`POST /tokenize` and `POST /detokenize`, in vLLM's form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from argosy.api.http.bodies import BodyReader, FieldFact, Refusal
from argosy.api.http.exchange import Exchange
from argosy.api.openai.messages import MESSAGE_DEPENDS, MESSAGE_REFUSED, Messages, plain
from argosy.api.openai.replies import encode
from argosy.api.openai.thinking import template_switches
from argosy.api.openai.tools import TOOL_DEPENDS, Tools, tooling
from argosy.core.errors import InvalidRequest
from argosy.core.models import Task
from argosy.server.catalog.catalog import Catalog, ServedModel
from argosy.server.dataplane.call import Call
from argosy.server.text.templates import ChatTemplates
from argosy.server.text.tokenize import TextTokenizers

_MOST_TOKENS = 1 << 20
_HIGHEST_ID = 2**31 - 1
_UNSUPPORTED: Mapping[str, Refusal] = {
    "chat_template": Refusal((None,), "A template of the client's would be code to run."),
    "continue_final_message": Refusal((None, False), "Answers always begin a message of their own."),
    "mm_processor_kwargs": Refusal((None, {}), "Text is all that is read."),
}
_DEPENDS = {
    "chat_template_kwargs": "needs a model with a reasoning parser; enable_thinking and thinking only",
    **MESSAGE_DEPENDS,
    **TOOL_DEPENDS,
    "messages": "needs a model that generates",
}


class TokenizeBody(msgspec.Struct, frozen=True, kw_only=True):
    """The request: a `prompt`, or `messages` that the model's chat template makes a prompt of.

    `add_special_tokens` is true for a prompt and false for messages unless it is given.
    """

    model: str
    prompt: str | None = None
    messages: Messages | None = None
    tools: Tools | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    add_generation_prompt: bool = True
    add_special_tokens: bool | None = None
    return_token_strs: bool = False


class TokenizeReply(msgspec.Struct, frozen=True):
    """The token ids; `max_model_len` is how many the model can read."""

    count: int
    max_model_len: int
    tokens: list[int]
    token_strs: list[str] | None


class DetokenizeBody(msgspec.Struct, frozen=True, kw_only=True):
    """The request."""

    model: str
    tokens: Annotated[list[Annotated[int, Meta(ge=0, le=_HIGHEST_ID)]], Meta(max_length=_MOST_TOKENS)]


class DetokenizeReply(msgspec.Struct, frozen=True):
    """The text of the token ids, special tokens spelled out."""

    prompt: str


class TokenizeRoutes:
    """Counts and spells tokens without asking the model."""

    def __init__(self, catalog: Catalog, tokenizers: TextTokenizers, templates: ChatTemplates) -> None:
        self._catalog = catalog
        self._tokenizers = tokenizers
        self._templates = templates
        self._texts = BodyReader(TokenizeBody, _UNSUPPORTED, refused=MESSAGE_REFUSED, depends=_DEPENDS)
        self._ids = BodyReader(DetokenizeBody)

    def fields(self) -> list[FieldFact]:
        """What becomes of each request field of `/tokenize`."""
        return self._texts.fields()

    def detokenize_fields(self) -> list[FieldFact]:
        """What becomes of each request field of `/detokenize`."""
        return self._ids.fields()

    async def tokenize(self, exchange: Exchange) -> None:
        """Token ids of a text or a conversation."""
        body = await exchange.read(self._texts)
        model = self._catalog.get(body.model)
        call = exchange.call(model)
        if (body.prompt is None) == (body.messages is None):
            raise InvalidRequest("Send either 'prompt' or 'messages'.", param="prompt")
        if body.prompt is not None:
            text, special, param = body.prompt, body.add_special_tokens is not False, "prompt"
        else:
            # The template writes the special tokens itself.
            text, special, param = await self._render(body, model, call), bool(body.add_special_tokens), "messages"
        found = await self._tokenizers.encode(
            model, text, add_special_tokens=special, deadline=call.deadline, param=param
        )
        spelled = found.tokens if body.return_token_strs else None
        await exchange.reply(encode(TokenizeReply(len(found.ids), model.max_tokens, found.ids, spelled)))

    async def detokenize(self, exchange: Exchange) -> None:
        """The text of token ids."""
        body = await exchange.read(self._ids)
        model = self._catalog.get(body.model)
        text = await self._tokenizers.decode(model, body.tokens, deadline=exchange.call(model).deadline)
        await exchange.reply(encode(DetokenizeReply(text)))

    async def _render(self, body: TokenizeBody, model: ServedModel, call: Call) -> str:
        """The prompt that `/v1/chat/completions` would make of the messages."""
        if model.task is not Task.GENERATE:
            raise InvalidRequest(f"Model '{model.name}' takes no messages; send 'prompt'.", param="messages")
        messages = [plain(message, index) for index, message in enumerate(body.messages or [])]
        variables = template_switches(body.chat_template_kwargs, None, model)
        variables["add_generation_prompt"] = body.add_generation_prompt
        tools = tooling(body.tools, None, model, parallel=True)
        if tools is not None:
            variables["tools"] = tools.definitions
        return await self._templates.render(model.root, messages, deadline=call.deadline, variables=variables)
