"""The messages of a chat, as clients send them and as templates know them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from argosy.core.errors import InvalidRequest, UnsupportedParameter

_LONGEST_ARGUMENTS = 1 << 20


class ContentPart(msgspec.Struct, frozen=True):
    """A piece of a message; text is the only type that is read."""

    type: str
    text: str | None = None


class CalledFunction(msgspec.Struct, frozen=True):
    """The function of a call; `arguments` is JSON text."""

    name: Annotated[str, Meta(min_length=1, max_length=256)]
    arguments: Annotated[str, Meta(max_length=_LONGEST_ARGUMENTS)] = ""


class PastCall(msgspec.Struct, frozen=True):
    """A call the assistant made in an earlier turn."""

    function: CalledFunction
    id: str | None = None
    type: Literal["function"] = "function"


class Message(msgspec.Struct, frozen=True):
    """A turn of the conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[ContentPart] | None = None
    name: str | None = None
    tool_calls: Annotated[list[PastCall], Meta(max_length=128)] | None = None
    tool_call_id: str | None = None
    reasoning_content: str | None = None


Messages = Annotated[list[Message], Meta(min_length=1, max_length=4096)]

_SHOWN = "reaches the model where its chat template has a place for it"
MESSAGE_DEPENDS: Mapping[str, str] = {
    f"messages[].{name}": _SHOWN for name in ("name", "reasoning_content", "tool_calls", "tool_call_id")
}
"""Fields of messages that not every model's template shows."""

MESSAGE_REFUSED: Mapping[str, str] = {
    "messages[].content[].type": "Text is all that is read: of images, sound and files no part is taken.",
}
"""Fields of messages of which only the value that asks for nothing more is taken."""


def plain(message: Message, index: int) -> dict[str, Any]:
    """The message as templates know it: plain data, content as one text, absent fields left out.

    Args:
        message: one of the request's.
        index: its place, for errors.

    Raises:
        InvalidRequest: it has no content, and is not an assistant's; `param` names it.
        UnsupportedParameter: a part of its content is not text.
    """
    found: dict[str, Any] = {
        # Templates predate OpenAI's second name for the same role.
        "role": "system" if message.role == "developer" else message.role,
        "content": _text(message, index),
    }
    for name in ("name", "tool_call_id", "reasoning_content"):
        value = getattr(message, name)
        if value is not None:
            found[name] = value
    if message.tool_calls:
        found["tool_calls"] = [_call(call) for call in message.tool_calls]
    return found


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


def _call(call: PastCall) -> dict[str, Any]:
    """Templates write the arguments themselves, as JSON or otherwise, and so want them as an object."""
    function = {"name": call.function.name, "arguments": _arguments(call.function.arguments)}
    found: dict[str, Any] = {"type": "function", "function": function}
    if call.id is not None:
        found["id"] = call.id
    return found


def _arguments(text: str) -> Any:
    if not text:
        return {}
    try:
        value = json.loads(text)
        # What the template's process cannot be sent stays text.
        msgspec.msgpack.encode(value)
    except (ValueError, OverflowError, RecursionError):
        return text
    return value if isinstance(value, dict) else text
