from __future__ import annotations

import json

import httpx
import pytest

from tests.suites.gateway import Server
from tests.unit.api.http.test_events import events

HELLO = [{"role": "user", "content": "hello there"}]


async def ask(client: httpx.AsyncClient, **fields: object) -> httpx.Response:
    return await client.post("/v1/chat/completions", json={"model": "parrot", "messages": HELLO, **fields})


async def test_the_reply_is_openais(chat: httpx.AsyncClient) -> None:
    """The conversation goes through the template and the answer comes as the assistant's message."""
    body = (await ask(chat)).json()
    assert body["object"] == "chat.completion"
    assert body["id"].startswith("chatcmpl-")
    assert body["model"] == "parrot"
    assert body["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "user: hello there\nassistant:", "refusal": None},
            "finish_reason": "stop",
            "logprobs": None,
        }
    ]
    assert body["usage"] == {"prompt_tokens": 4, "completion_tokens": 4, "total_tokens": 8}


async def test_the_template_writes_the_special_tokens(chat_server: Server, chat: httpx.AsyncClient) -> None:
    """The engine is told not to add its own."""
    await ask(chat)
    (call,) = chat_server.client.calls
    assert json.loads(call.inputs["sampling_parameters"].item())["add_special_tokens"] is False


async def test_a_stream_tells_the_role_then_text_then_the_reason(chat: httpx.AsyncClient) -> None:
    """The joined deltas are the whole answer; no usage unless asked."""
    *chunks, done = events((await ask(chat, stream=True)).text)
    parsed = [json.loads(chunk) for chunk in chunks]
    deltas = [chunk["choices"][0]["delta"] for chunk in parsed]
    assert done == "[DONE]"
    assert deltas[0] == {"role": "assistant", "content": ""}
    assert "".join(delta.get("content", "") for delta in deltas) == "user: hello there\nassistant:"
    assert [chunk["choices"][0]["finish_reason"] for chunk in parsed] == [None] * (len(parsed) - 1) + ["stop"]
    assert len({chunk["id"] for chunk in parsed}) == 1
    assert all(chunk["object"] == "chat.completion.chunk" and "usage" not in chunk for chunk in parsed)


async def test_usage_is_streamed_when_asked_for(chat: httpx.AsyncClient) -> None:
    """One last chunk without choices; the others say null."""
    *chunks, _ = events((await ask(chat, stream=True, stream_options={"include_usage": True})).text)
    parsed = [json.loads(chunk) for chunk in chunks]
    assert parsed[-1]["choices"] == []
    assert parsed[-1]["usage"] == {"prompt_tokens": 4, "completion_tokens": 4, "total_tokens": 8}
    assert all(chunk["usage"] is None for chunk in parsed[:-1])


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
async def test_both_names_of_the_limit_work(chat: httpx.AsyncClient, field: str) -> None:
    """An answer that is cut says `length`."""
    body = (await ask(chat, **{field: 2, "ignore_eos": True})).json()
    assert body["choices"][0]["finish_reason"] == "length"
    assert body["usage"]["completion_tokens"] == 2


async def test_n_choices_are_n_engine_requests_with_their_own_seeds(
    chat_server: Server, chat: httpx.AsyncClient
) -> None:
    """The prompt counts once, the answers each."""
    body = (await ask(chat, n=3, seed=41)).json()
    assert [choice["index"] for choice in body["choices"]] == [0, 1, 2]
    assert body["usage"] == {"prompt_tokens": 4, "completion_tokens": 12, "total_tokens": 16}
    seeds = [json.loads(call.inputs["sampling_parameters"].item())["seed"] for call in chat_server.client.calls]
    assert sorted(seeds) == [41, 42, 43]


async def test_n_choices_are_streamed_side_by_side(chat: httpx.AsyncClient) -> None:
    """Every choice has its role, its text and its reason."""
    *chunks, done = events((await ask(chat, n=2, stream=True)).text)
    texts: dict[int, str] = {0: "", 1: ""}
    reasons = {}
    for chunk in map(json.loads, chunks):
        (choice,) = chunk["choices"]
        texts[choice["index"]] += choice["delta"].get("content", "")
        if choice["finish_reason"]:
            reasons[choice["index"]] = choice["finish_reason"]
    assert done == "[DONE]"
    assert set(texts.values()) == {"user: hello there\nassistant:"}
    assert reasons == {0: "stop", 1: "stop"}


async def test_sampling_fields_reach_the_engine(chat_server: Server, chat: httpx.AsyncClient) -> None:
    """Each under the engine's name."""
    fields = {
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 7,
        "min_tokens": 1,
        "frequency_penalty": 0.1,
        "presence_penalty": -0.1,
        "repetition_penalty": 1.1,
        "seed": -3,
        "stop": ["x", "y"],
        "max_tokens": 9,
    }
    assert (await ask(chat, **fields)).status_code == 200
    sent = json.loads(chat_server.client.calls[0].inputs["sampling_parameters"].item())
    assert {name: sent[name] for name in fields} == fields


async def test_a_stop_text_ends_the_answer(chat: httpx.AsyncClient) -> None:
    """It is not part of it."""
    body = (await ask(chat, stop="there")).json()
    assert body["choices"][0]["message"]["content"] == "user: hello "
    assert body["choices"][0]["finish_reason"] == "stop"


async def test_text_parts_are_joined(chat: httpx.AsyncClient) -> None:
    """List content is taken as one text; `developer` is the template's `system`."""
    messages = [
        {"role": "developer", "content": "be brief"},
        {"role": "user", "content": [{"type": "text", "text": "hello "}, {"type": "text", "text": "you"}]},
    ]
    body = (await ask(chat, messages=messages)).json()
    assert body["choices"][0]["message"]["content"] == "system: be brief\nuser: hello you\nassistant:"


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ([], "messages"),
        ("hello", "messages"),
        ([{"content": "x"}], "messages[0].role"),
        ([{"role": "robot", "content": "x"}], "messages[0].role"),
        ([*HELLO, {"role": "user", "content": 5}], "messages[1].content"),
        ([{"role": "user"}], "messages[0].content"),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}], "messages[0].content[0]"),
        ([{"role": "user", "content": [{"text": "x"}]}], "messages[0].content[0].type"),
    ],
)
async def test_wrong_messages_are_400_and_named(chat: httpx.AsyncClient, messages: object, param: str) -> None:
    """`param` leads to the part at fault."""
    reply = await ask(chat, messages=messages)
    assert (reply.status_code, reply.json()["param"]) == (400, param)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("n", 0),
        ("n", 9),
        ("n", 10**6),
        ("max_tokens", 0),
        ("max_tokens", -100),
        ("max_tokens", 2**31 - 1),
        ("max_completion_tokens", 1001),
        ("temperature", -0.1),
        ("temperature", 2.1),
        ("temperature", "hot"),
        ("top_p", 0),
        ("top_p", -10),
        ("top_p", 10),
        ("top_k", -2),
        ("min_tokens", -1),
        ("frequency_penalty", 2.5),
        ("presence_penalty", -2.5),
        ("repetition_penalty", 0),
        ("seed", 2**63),
        ("seed", 1.5),
        ("stop", ["x"] * 17),
        ("stop", "x" * 257),
        ("stop", ["x" * 257]),
        ("stop", ""),
        ("stop", 5),
        ("stream", "yes"),
        ("stream_options", 1),
    ],
)
async def test_a_field_out_of_range_is_400_and_named(
    chat_server: Server, chat: httpx.AsyncClient, field: str, value: object
) -> None:
    """L5, V9: the engine never sees it."""
    reply = await ask(chat, **{field: value})
    assert reply.status_code == 400
    assert reply.json()["param"].split("[")[0] == field
    assert chat_server.client.calls == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("logprobs", True),
        ("top_logprobs", 5),
        ("prompt_logprobs", -1),
        ("logit_bias", {"1": 2}),
        ("best_of", 3),
        ("response_format", {"type": "json_object"}),
        ("tools", [{"type": "function", "function": {"name": "f"}}]),
        ("tool_choice", "required"),
        ("guided_json", {}),
        ("chat_template", "{{ 1 }}"),
        ("chat_template_kwargs", {"x": 1}),
        ("cache_salt", "x"),
        ("nvext", {"guided_regex": "a"}),
    ],
)
async def test_what_cannot_be_honoured_is_refused_by_name(
    chat_server: Server, chat: httpx.AsyncClient, field: str, value: object
) -> None:
    """V13, L8: never silently dropped."""
    reply = await ask(chat, **{field: value})
    assert (reply.status_code, reply.json()["param"]) == (400, field)
    assert reply.json()["error"]["code"] == "unsupported_parameter"
    assert chat_server.client.calls == []


@pytest.mark.parametrize(
    "fields",
    [
        {"logprobs": False},
        {"tools": [], "tool_choice": "none"},
        {"response_format": {"type": "text"}},
        {"logit_bias": {}},
        {"temperature": None, "stop": None, "n": None, "stream": None, "max_tokens": None},
    ],
)
async def test_fields_that_ask_for_nothing_are_taken(chat: httpx.AsyncClient, fields: dict[str, object]) -> None:
    """Clients send their defaults."""
    reply = await ask(chat, **fields)
    assert reply.status_code == 200
    assert "x-argosy-warning" not in reply.headers


async def test_an_alias_answers_under_its_own_name(chat_server: Server, chat: httpx.AsyncClient) -> None:
    """The engine gets the model's name, the client its own."""
    body = (await ask(chat, model="gpt-parrot")).json()
    assert body["model"] == "gpt-parrot"
    assert chat_server.client.calls[0].model == "parrot"


async def test_a_model_without_a_template_points_to_completions(client: httpx.AsyncClient) -> None:
    """Here no template was loaded."""
    reply = await ask(client)
    assert reply.status_code == 400
    assert "/v1/completions" in reply.json()["message"]


async def test_a_prompt_over_the_context_is_400_and_names_the_messages(chat: httpx.AsyncClient) -> None:
    """The engine's name for the prompt does not show."""
    reply = await ask(chat, messages=[{"role": "user", "content": "word " * 1000}])
    assert reply.status_code == 400
    assert reply.json()["param"] == "messages"
    assert "exceeds maximum allowed" in reply.json()["message"]
