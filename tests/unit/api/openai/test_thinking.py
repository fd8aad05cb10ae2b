from __future__ import annotations

import json

import httpx
import pytest

from tests.suites.gateway import Server
from tests.unit.api.http.test_events import events

THOUGHT = "<think>\nHm, a < b.\n</think>\n\nYes."


async def ask(client: httpx.AsyncClient, text: str = THOUGHT, **fields: object) -> httpx.Response:
    body = {"model": "thinker", "messages": [{"role": "user", "content": text}], **fields}
    return await client.post("/v1/chat/completions", json=body)


async def test_a_thought_is_not_content(aviary: httpx.AsyncClient) -> None:
    """It stands in `reasoning_content`."""
    (choice,) = (await ask(aviary)).json()["choices"]
    assert choice["message"] == {
        "role": "assistant",
        "content": "Yes.",
        "refusal": None,
        "reasoning_content": "Hm, a < b.",
    }


async def test_a_thought_is_streamed_apart(aviary: httpx.AsyncClient) -> None:
    """Before the content, each delta with one of the two."""
    *chunks, _ = events((await ask(aviary, stream=True)).text)
    deltas = [json.loads(chunk)["choices"][0]["delta"] for chunk in chunks]
    assert deltas[0] == {"role": "assistant", "content": ""}
    assert "".join(delta.get("reasoning_content", "") for delta in deltas) == "Hm, a < b."
    assert "".join(delta.get("content", "") for delta in deltas) == "Yes."
    assert all(len(delta) <= 1 for delta in deltas[1:])


async def test_a_thought_may_begin_in_the_prompt(birds: Server, aviary: httpx.AsyncClient) -> None:
    """Then the answer has the closing mark only."""
    await birds.templates.load("thinker", "{{ messages[-1].content }} </think> Yes. <think>")
    (choice,) = (await ask(aviary, "Hm.")).json()["choices"]
    assert (choice["message"]["reasoning_content"], choice["message"]["content"]) == ("Hm.", "Yes. <think>")


async def test_a_call_after_a_thought_is_a_call(aviary: httpx.AsyncClient) -> None:
    """With no content."""
    call = '<tool_call>{"name": "f", "arguments": {}}</tool_call>'
    tools = [{"type": "function", "function": {"name": "f"}}]
    (choice,) = (await ask(aviary, f"<think>Call {call}?</think>\n{call}", tools=tools)).json()["choices"]
    message = choice["message"]
    assert (message["reasoning_content"], message["content"]) == (f"Call {call}?", None)
    assert (len(message["tool_calls"]), choice["finish_reason"]) == (1, "tool_calls")


@pytest.mark.parametrize(
    "fields",
    [
        {"chat_template_kwargs": {"enable_thinking": False}},
        {"chat_template_kwargs": {"thinking": False}},
        {"reasoning_effort": "none"},
    ],
)
async def test_thinking_can_be_switched_off(
    birds: Server, aviary: httpx.AsyncClient, fields: dict[str, object]
) -> None:
    """By NIM's switch or OpenAI's; the template sees the switch under both of its names."""
    await birds.templates.load("thinker", "{{ enable_thinking }} {{ thinking }} {{ reasoning_effort is defined }}")
    (choice,) = (await ask(aviary, **fields)).json()["choices"]
    assert choice["message"]["content"] == "False False False"


async def test_the_effort_reaches_the_template(birds: Server, aviary: httpx.AsyncClient) -> None:
    """Templates that know grades of it read it."""
    await birds.templates.load("thinker", "{{ enable_thinking }} {{ reasoning_effort }}")
    (choice,) = (await ask(aviary, reasoning_effort="low")).json()["choices"]
    assert choice["message"]["content"] == "True low"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"chat_template_kwargs": {"messages": []}}, "chat_template_kwargs"),
        ({"chat_template_kwargs": {"enable_thinking": "yes"}}, "chat_template_kwargs.enable_thinking"),
        ({"chat_template_kwargs": {"enable_thinking": True, "thinking": False}}, "chat_template_kwargs"),
        ({"chat_template_kwargs": {"thinking": True}, "reasoning_effort": "none"}, "chat_template_kwargs"),
    ],
)
async def test_wrong_switches_are_400_and_named(
    birds: Server, aviary: httpx.AsyncClient, fields: dict[str, object], param: str
) -> None:
    """V13: a client reaches no other variable of the template."""
    reply = await ask(aviary, **fields)
    assert (reply.status_code, reply.json()["param"]) == (400, param)
    assert birds.client.calls == []


async def test_earlier_thoughts_reach_the_template(birds: Server, aviary: httpx.AsyncClient) -> None:
    """Templates decide whether to show them."""
    await birds.templates.load("thinker", "{{ messages[0].reasoning_content }}")
    messages = [{"role": "assistant", "content": "Yes.", "reasoning_content": "Hm."}, {"role": "user", "content": "x"}]
    (choice,) = (await ask(aviary, messages=messages)).json()["choices"]
    assert choice["message"]["content"] == "Hm."
