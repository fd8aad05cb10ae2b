from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest

from argosy.server.text.tools.families import FAMILIES
from tests.suites.gateway import Server
from tests.unit.api.http.test_events import events

ADD: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "Adds.",
        "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
    },
}
NOW: dict[str, Any] = {"type": "function", "function": {"name": "now"}}
CALLS = {
    "hermes": '<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>\n'
    '<tool_call>{"name": "now"}</tool_call>',
    "qwen": '<tool_call>{"name": "add", "arguments": {"a": 1}}</tool_call><tool_call>{"name": "now"}</tool_call>',
    "llama3_json": '{"name": "add", "parameters": {"a": 1}}; {"name": "now", "parameters": {}}',
    "mistral": '[TOOL_CALLS] [{"name": "add", "arguments": {"a": 1}}, {"name": "now", "arguments": {}}]',
    "pythonic": "[add(a=1), now()]",
}
HERMES = CALLS["hermes"]


async def ask(client: httpx.AsyncClient, model: str, text: str, **fields: object) -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": text}], "tools": [ADD, NOW], **fields}
    return await client.post("/v1/chat/completions", json=body)


async def deltas(client: httpx.AsyncClient, model: str, text: str, **fields: object) -> list[dict[str, Any]]:
    """The choices of a stream's chunks."""
    *chunks, done = events((await ask(client, model, text, stream=True, **fields)).text)
    assert done == "[DONE]"
    return [json.loads(chunk)["choices"][0] for chunk in chunks]


@pytest.mark.parametrize("family", sorted(FAMILIES))
async def test_calls_are_part_of_the_message(aviary: httpx.AsyncClient, family: str) -> None:
    """Every family: no content, two calls with ids of their own, and the reason `tool_calls`."""
    (choice,) = (await ask(aviary, family, CALLS[family])).json()["choices"]
    message = choice["message"]
    assert (message["role"], message["content"], choice["finish_reason"]) == ("assistant", None, "tool_calls")
    assert [(call["type"], call["function"]["name"]) for call in message["tool_calls"]] == [
        ("function", "add"),
        ("function", "now"),
    ]
    assert [json.loads(call["function"]["arguments"]) for call in message["tool_calls"]] == [{"a": 1}, {}]
    identities = [call["id"] for call in message["tool_calls"]]
    assert len(set(identities)) == 2
    # What Mistral's templates take back; the others take anything.
    form = r"[0-9a-f]{9}" if family == "mistral" else r"call_[0-9a-f]{24}"
    assert all(re.fullmatch(form, identity) for identity in identities)


@pytest.mark.parametrize("family", sorted(FAMILIES))
async def test_calls_are_streamed_as_openai_streams_them(aviary: httpx.AsyncClient, family: str) -> None:
    """The role, then for each call its id and name with empty arguments, then only arguments, then the reason."""
    first, *rest, last = await deltas(aviary, family, CALLS[family])
    assert first["delta"] == {"role": "assistant", "content": ""}
    assert (last["delta"], last["finish_reason"]) == ({}, "tool_calls")
    arguments = ["", ""]
    names = []
    for choice in rest:
        (call,) = choice["delta"]["tool_calls"]
        if "id" in call:
            assert len(call["id"]) == (9 if family == "mistral" else 29)
            assert (call["index"], call["type"], call["function"]["arguments"]) == (len(names), "function", "")
            names.append(call["function"]["name"])
        else:
            assert set(call) == {"index", "function"}
            assert set(call["function"]) == {"arguments"}
            arguments[call["index"]] += call["function"]["arguments"]
    assert names == ["add", "now"]
    assert [json.loads(text) for text in arguments] == [{"a": 1}, {}]


async def test_text_beside_a_call_is_content(aviary: httpx.AsyncClient) -> None:
    """In both forms of the answer."""
    text = f"Let me add. {HERMES}"
    (choice,) = (await ask(aviary, "hermes", text)).json()["choices"]
    streamed = await deltas(aviary, "hermes", text)
    assert choice["message"]["content"] == "Let me add. "
    assert "".join(delta["delta"].get("content", "") for delta in streamed) == "Let me add. "


async def test_an_answer_without_calls_is_plain(aviary: httpx.AsyncClient) -> None:
    """No `tool_calls` field, and the engine's own reason."""
    (choice,) = (await ask(aviary, "hermes", "No need.")).json()["choices"]
    assert choice["message"] == {"role": "assistant", "content": "No need.", "refusal": None}
    assert choice["finish_reason"] == "stop"


async def test_an_answer_that_is_cut_says_length(aviary: httpx.AsyncClient) -> None:
    """Though a call has begun; its arguments end where the answer does."""
    text = '<tool_call>{"name": "add", "arguments": {"a": "one two three four"}}</tool_call>'
    (choice,) = (await ask(aviary, "hermes", text, max_tokens=6)).json()["choices"]
    (call,) = choice["message"]["tool_calls"]
    assert (choice["finish_reason"], call["function"]["arguments"]) == ("length", '{"a": "one two')


async def test_no_parallel_calls_means_one_call(aviary: httpx.AsyncClient) -> None:
    """The others are left out, also of a stream."""
    (choice,) = (await ask(aviary, "hermes", HERMES, parallel_tool_calls=False)).json()["choices"]
    streamed = await deltas(aviary, "hermes", HERMES, parallel_tool_calls=False)
    assert [call["function"]["name"] for call in choice["message"]["tool_calls"]] == ["add"]
    assert {call["index"] for delta in streamed for call in delta["delta"].get("tool_calls", ())} == {0}


async def test_choices_are_read_apart(aviary: httpx.AsyncClient) -> None:
    """Each has its own calls, from 0."""
    choices = (await ask(aviary, "hermes", HERMES, n=3)).json()["choices"]
    assert [len(choice["message"]["tool_calls"]) for choice in choices] == [2, 2, 2]
    indices: dict[int, set[int]] = {}
    for choice in await deltas(aviary, "hermes", HERMES, n=2):
        for call in choice["delta"].get("tool_calls", ()):
            indices.setdefault(choice["index"], set()).add(call["index"])
    assert indices == {0: {0, 1}, 1: {0, 1}}


@pytest.mark.parametrize("choice", ["auto", None])
async def test_the_template_sees_the_tools(birds: Server, aviary: httpx.AsyncClient, choice: str | None) -> None:
    """As plain data, without what the client left out."""
    await birds.templates.load("hermes", "{{ tools | tojson if tools else 'none' }}")
    (answer,) = (await ask(aviary, "hermes", "x", tool_choice=choice)).json()["choices"]
    assert json.loads(answer["message"]["content"]) == [ADD, NOW]


async def test_with_the_choice_none_the_template_sees_no_tools(birds: Server, aviary: httpx.AsyncClient) -> None:
    """And what looks like a call is text."""
    await birds.templates.load("hermes", "{{ tools | tojson if tools else 'none' }} {{ messages[-1].content }}")
    (answer,) = (await ask(aviary, "hermes", CALLS["qwen"], tool_choice="none")).json()["choices"]
    assert answer["message"] == {"role": "assistant", "content": f"none {CALLS['qwen']}", "refusal": None}


async def test_earlier_calls_and_results_reach_the_template(birds: Server, aviary: httpx.AsyncClient) -> None:
    """Arguments as an object, as templates expect them; what is no JSON stays text."""
    await birds.templates.load("hermes", "{{ messages | tojson }}")
    calls = [
        {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}},
        {"id": "call_2", "type": "function", "function": {"name": "add", "arguments": "a = 1"}},
        {"id": "call_3", "type": "function", "function": {"name": "add", "arguments": f'{{"a": {10**30}}}'}},
        {"id": "call_4", "type": "function", "function": {"name": "now", "arguments": ""}},
    ]
    messages = [
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "call_1", "content": "2"},
    ]
    (answer,) = (await ask(aviary, "hermes", "", messages=messages)).json()["choices"]
    _, assistant, tool = json.loads(answer["message"]["content"])
    assert assistant["content"] == ""
    assert [call["id"] for call in assistant["tool_calls"]] == ["call_1", "call_2", "call_3", "call_4"]
    arguments = [call["function"]["arguments"] for call in assistant["tool_calls"]]
    assert arguments == [{"a": 1}, "a = 1", f'{{"a": {10**30}}}', {}]
    assert tool == {"role": "tool", "tool_call_id": "call_1", "content": "2"}


async def test_a_model_without_a_parser_takes_no_tools(chat_server: Server, chat: httpx.AsyncClient) -> None:
    """Unless none may be called."""
    reply = await ask(chat, "parrot", "x")
    assert (reply.status_code, reply.json()["param"]) == (400, "tools")
    assert reply.json()["error"]["code"] == "unsupported_parameter"
    assert chat_server.client.calls == []
    assert (await ask(chat, "parrot", "x", tool_choice="none")).status_code == 200


def _named(name: object, **fields: object) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, **fields}}


def _deep(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": "add"}, "tools"),
        ({"tools": [_named("f")] * 129}, "tools"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [_named("")]}, "tools[0].function.name"),
        ({"tools": [_named("two words")]}, "tools[0].function.name"),
        ({"tools": [_named("f" * 65)]}, "tools[0].function.name"),
        ({"tools": [_named("f"), _named("f")]}, "tools[1].function.name"),
        ({"tools": [_named("f", parameters="none")]}, "tools[0].function.parameters"),
        ({"tools": [_named("f", parameters={"type": "string"})]}, "tools[0].function.parameters.type"),
        ({"tools": [_named("f", parameters={"properties": 5})]}, "tools[0].function.parameters.properties"),
        ({"tools": [_named("f", parameters={"required": [5]})]}, "tools[0].function.parameters.required"),
        ({"tools": [_named("f", parameters={"a": "x" * 65536})]}, "tools[0].function.parameters"),
        ({"tools": [_named("f", parameters=_deep(17))]}, "tools[0].function.parameters"),
        ({"tools": [_named("f", parameters={"maximum": 10**30})]}, "tools[0].function.parameters"),
        ({"tool_choice": "always"}, "tool_choice"),
        ({"tool_choice": {"type": "function", "function": {"name": "unknown"}}}, "tool_choice.function.name"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": {"type": "function", "function": {"name": "add"}}}, "tool_choice"),
    ],
)
async def test_wrong_tools_are_400_and_named(
    birds: Server, aviary: httpx.AsyncClient, fields: dict[str, object], param: str
) -> None:
    """V9: the engine never sees them. The last two are right, and the engine, echo, cannot be forced."""
    reply = await ask(aviary, "hermes", "x", **fields)
    assert (reply.status_code, reply.json()["param"]) == (400, param)
    assert birds.client.calls == []


async def test_a_name_that_python_cannot_say_is_refused_where_calls_are_python(aviary: httpx.AsyncClient) -> None:
    """Other families take it."""
    reply = await ask(aviary, "pythonic", "x", tools=[_named("get-time")])
    assert (reply.status_code, reply.json()["param"]) == (400, "tools[0].function")
    assert (await ask(aviary, "hermes", "x", tools=[_named("get-time")])).status_code == 200
