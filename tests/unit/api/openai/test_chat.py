from __future__ import annotations

import json
import re

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


@pytest.mark.parametrize("n", [1, 2])
async def test_every_chunk_counts_when_asked_to(chat: httpx.AsyncClient, n: int) -> None:
    """The counts so far grow with the answer and end with those of the last chunk."""
    options = {"include_usage": True, "continuous_usage_stats": True}
    *chunks, _ = events((await ask(chat, stream=True, n=n, stream_options=options)).text)
    counted = [json.loads(chunk)["usage"] for chunk in chunks]
    produced = [usage["completion_tokens"] for usage in counted]
    assert produced == sorted(produced)
    assert len(set(produced)) > 2
    assert counted[-1] == {"prompt_tokens": 4, "completion_tokens": 4 * n, "total_tokens": 4 + 4 * n}
    assert all(usage["prompt_tokens"] == 4 for usage in counted)


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


async def test_sixteen_stop_texts_of_256_characters_are_taken(chat_server: Server, chat: httpx.AsyncClient) -> None:
    """L5: the bounds themselves are allowed, and the engine gets every text."""
    stops = [chr(ord("A") + number) * 256 for number in range(16)]
    assert (await ask(chat, stop=stops)).status_code == 200
    sent = json.loads(chat_server.client.calls[-1].inputs["sampling_parameters"].item())
    assert sent["stop"] == stops


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
        ("top_logprobs", 21),
        ("top_logprobs", -1),
        ("top_logprobs", 5),
        ("logprobs", 5),
        ("min_p", 1.1),
        ("logit_bias", {"1": 101}),
        ("logit_bias", {str(token): 1 for token in range(1025)}),
        ("response_format", {"type": "yaml"}),
        ("response_format", {"type": "json_schema"}),
        ("response_format", {"type": "json_schema", "json_schema": {"name": "x y", "schema": {}}}),
        ("response_format", {"type": "json_schema", "json_schema": {"name": "x"}}),
        ("guided_choice", []),
        ("guided_choice", ["a", ""]),
        ("guided_choice", ["a"] * 1001),
        ("nvext", {"top_k": "many"}),
        ("tool_choice", "required"),
        ("tool_choice", {"type": "function", "function": {"name": "f"}}),
        ("tool_choice", "sometimes"),
        ("parallel_tool_calls", "no"),
        ("reasoning_effort", "extreme"),
    ],
)
async def test_a_field_out_of_range_is_400_and_named(
    chat_server: Server, chat: httpx.AsyncClient, field: str, value: object
) -> None:
    """L5, V9: the engine never sees it."""
    reply = await ask(chat, **{field: value})
    assert reply.status_code == 400
    assert re.split(r"[.\[]", reply.json()["param"])[0] == field
    assert chat_server.client.calls == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("prompt_logprobs", -1),
        ("logit_bias", {"1": 2}),
        ("min_p", 0.1),
        ("best_of", 3),
        ("suffix", "x"),
        ("echo", True),
        ("functions", [{"name": "f"}]),
        ("function_call", {"name": "f"}),
        ("tools", [{"type": "function", "function": {"name": "f"}}]),
        ("response_format", {"type": "json_object"}),
        ("guided_json", {"type": "object"}),
        ("guided_choice", ["a"]),
        ("guided_regex", "a"),
        ("guided_grammar", 'root ::= "a"'),
        ("guided_whitespace_pattern", " "),
        ("chat_template", "{{ 1 }}"),
        ("chat_template_kwargs", {"x": 1}),
        ("chat_template_kwargs", {"enable_thinking": False}),
        ("reasoning_effort", "high"),
        ("cache_salt", "x"),
        ("documents", [{"text": "x"}]),
        ("modalities", ["text", "audio"]),
        ("stop_token_ids", [1]),
        ("logits_processors", ["os.system"]),
        ("use_beam_search", True),
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
    ("fields", "param"),
    [
        ({"nvext": {"guided_regex": "a"}}, "nvext.guided_regex"),
        ({"structured_outputs": {"regex": "a"}}, "structured_outputs.regex"),
        (
            {"structured_outputs": {"structural_tag": {}, "whitespace_pattern": " "}},
            "structured_outputs.whitespace_pattern",
        ),
        ({"structured_outputs": {"structural_tag": {"format": {}}}}, "structured_outputs.structural_tag"),
    ],
)
async def test_what_cannot_be_honoured_inside_a_field_is_refused_by_its_path(
    chat_server: Server, chat: httpx.AsyncClient, fields: dict[str, object], param: str
) -> None:
    """The engine of this model, echo, holds no answer to a form."""
    reply = await ask(chat, **fields)
    assert (reply.status_code, reply.json()["param"]) == (400, param)
    assert reply.json()["error"]["code"] == "unsupported_parameter"
    assert chat_server.client.calls == []


async def test_a_refusal_says_why_and_what_to_do(chat: httpx.AsyncClient) -> None:
    """The old names point to the new ones; what the engine lacks names the engine."""
    assert "use 'tools'" in (await ask(chat, functions=[{"name": "f"}])).json()["message"]
    assert "its engine, echo, cannot" in (await ask(chat, guided_regex="a")).json()["message"]


@pytest.mark.parametrize(
    "fields",
    [
        {"logprobs": False, "top_logprobs": 0},
        {"tools": [], "tool_choice": "none"},
        {"tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": "none"},
        {"response_format": {"type": "text"}},
        {"logit_bias": {}, "min_p": 0, "nvext": {}, "structured_outputs": {}},
        {"chat_template_kwargs": {}, "reasoning_effort": "none", "parallel_tool_calls": True},
        {"best_of": 1, "suffix": "", "echo": False, "functions": [], "modalities": ["text"]},
        {"temperature": None, "stop": None, "n": None, "stream": None, "max_tokens": None},
    ],
)
async def test_fields_that_ask_for_nothing_are_taken(chat: httpx.AsyncClient, fields: dict[str, object]) -> None:
    """Clients send their defaults."""
    reply = await ask(chat, **fields)
    assert reply.status_code == 200
    assert "x-argosy-warning" not in reply.headers


async def test_fields_that_change_nothing_are_named_in_a_warning(chat: httpx.AsyncClient) -> None:
    """Also inside objects whose names are fixed."""
    reply = await ask(chat, store=True, guided_decoding_backend="xgrammar", nvext={"annotations": []})
    assert reply.status_code == 200
    assert reply.headers["x-argosy-warning"].endswith("guided_decoding_backend, nvext.annotations, store")


@pytest.mark.parametrize(("field", "value"), [("top_k", 7), ("repetition_penalty", 1.5), ("ignore_eos", True)])
async def test_nvext_says_what_the_field_itself_says(
    chat_server: Server, chat: httpx.AsyncClient, field: str, value: object
) -> None:
    """NIM 1.x's clients are understood; saying it twice is no contradiction."""
    for fields in ({"nvext": {field: value}}, {field: value, "nvext": {field: value}}):
        assert (await ask(chat, max_tokens=4, **fields)).status_code == 200
        sent = json.loads(chat_server.client.calls.pop().inputs["sampling_parameters"].item())
        assert sent[field] == value


async def test_nvext_may_not_contradict_the_field(chat_server: Server, chat: httpx.AsyncClient) -> None:
    """Neither of the two values is chosen silently."""
    reply = await ask(chat, top_k=5, nvext={"top_k": 6})
    assert (reply.status_code, reply.json()["param"]) == (400, "nvext.top_k")
    assert chat_server.client.calls == []


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
