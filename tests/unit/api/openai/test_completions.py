from __future__ import annotations

import json

import httpx
import pytest

from tests.suites.gateway import Server
from tests.unit.api.http.test_events import events


async def complete(client: httpx.AsyncClient, **fields: object) -> httpx.Response:
    return await client.post("/v1/completions", json={"model": "parrot", **fields})


async def test_the_reply_is_openais(client: httpx.AsyncClient) -> None:
    """Text, reason and usage."""
    body = (await complete(client, prompt="one two")).json()
    assert body["object"] == "text_completion"
    assert body["id"].startswith("cmpl-")
    assert body["choices"] == [{"index": 0, "text": "one two", "finish_reason": "stop", "logprobs": None}]
    assert body["usage"] == {"prompt_tokens": 2, "completion_tokens": 2, "total_tokens": 4}


@pytest.mark.parametrize(
    ("prompt", "texts"),
    [
        ("one two", ["one two"]),
        (["one", "two"], ["one", "two"]),
        ([3, 4], ["3 4"]),
        ([[3, 4], [5]], ["3 4", "5"]),
    ],
)
async def test_all_four_forms_of_prompt_are_continued(
    client: httpx.AsyncClient, prompt: object, texts: list[str]
) -> None:
    """In the order of the prompts."""
    body = (await complete(client, prompt=prompt)).json()
    assert [choice["text"] for choice in body["choices"]] == texts


async def test_choices_are_numbered_prompt_by_prompt(client: httpx.AsyncClient) -> None:
    """Index = prompt index x n + choice; each prompt's tokens count once."""
    body = (await complete(client, prompt=["a b", "c"], n=2)).json()
    assert [(choice["index"], choice["text"]) for choice in body["choices"]] == [
        (0, "a b"),
        (1, "a b"),
        (2, "c"),
        (3, "c"),
    ]
    assert body["usage"] == {"prompt_tokens": 3, "completion_tokens": 6, "total_tokens": 9}


async def test_streamed_choices_carry_the_same_numbers(client: httpx.AsyncClient) -> None:
    """And the same texts."""
    options = {"include_usage": True}
    reply = await complete(client, prompt=["a b", "c"], n=2, stream=True, stream_options=options)
    *chunks, usage, done = events(reply.text)
    texts = dict.fromkeys(range(4), "")
    for chunk in map(json.loads, chunks):
        (choice,) = chunk["choices"]
        texts[choice["index"]] += choice["text"]
    assert texts == {0: "a b", 1: "a b", 2: "c", 3: "c"}
    assert json.loads(usage)["usage"] == {"prompt_tokens": 3, "completion_tokens": 6, "total_tokens": 9}
    assert done == "[DONE]"


@pytest.mark.parametrize("prompt", ["", [], None, 5, ["a", ""], [[]], [1, "a"], [[1], "a"]])
async def test_any_other_prompt_is_400_and_named(server: Server, client: httpx.AsyncClient, prompt: object) -> None:
    """No engine call is made."""
    reply = await complete(client, prompt=prompt)
    assert reply.status_code == 400
    assert reply.json()["param"].startswith("prompt")
    assert server.client.calls == []


async def test_a_prompt_of_too_many_tokens_never_travels(server: Server, client: httpx.AsyncClient) -> None:
    """Its length alone is more than the context."""
    reply = await complete(client, prompt=[[1], [2] * 1001])
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "context_length_exceeded")
    assert server.client.calls == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("suffix", "x"),
        ("best_of", 2),
        ("top_logprobs", 2),
        ("messages", [{"role": "user", "content": "x"}]),
        ("tools", [{"type": "function", "function": {"name": "f"}}]),
        ("tool_choice", "required"),
        ("reasoning_effort", "low"),
        ("guided_json", {"type": "object"}),
    ],
)
async def test_what_cannot_be_honoured_is_refused_by_name(
    server: Server, client: httpx.AsyncClient, field: str, value: object
) -> None:
    """Never silently dropped."""
    reply = await complete(client, prompt="a", **{field: value})
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "unsupported_parameter")
    assert reply.json()["param"] == field
    assert server.client.calls == []


@pytest.mark.parametrize("value", [-1, 6, 10**6, True, "5"])
async def test_a_count_of_logprobs_out_of_range_is_400(
    server: Server, client: httpx.AsyncClient, value: object
) -> None:
    """V9, L5: at most 5 on this route, as at OpenAI."""
    reply = await complete(client, prompt="a", logprobs=value)
    assert (reply.status_code, reply.json()["param"]) == (400, "logprobs")
    assert server.client.calls == []


@pytest.mark.parametrize("stream", [False, True])
async def test_echo_puts_the_prompt_in_front(client: httpx.AsyncClient, stream: bool) -> None:
    """Of every choice; the token counts do not change."""
    reply = await complete(
        client, prompt=["a b", "c"], n=2, echo=True, stream=stream, stream_options={"include_usage": True}
    )
    texts = dict.fromkeys(range(4), "")
    chunks = [json.loads(chunk) for chunk in events(reply.text)[:-1]] if stream else [reply.json()]
    for chunk in chunks:
        for choice in chunk["choices"]:
            texts[choice["index"]] += choice["text"]
    assert texts == {0: "a ba b", 1: "a ba b", 2: "cc", 3: "cc"}
    assert chunks[-1]["usage"] == {"prompt_tokens": 3, "completion_tokens": 6, "total_tokens": 9}


@pytest.mark.parametrize("fields", [{"prompt": [1, 2]}, {"prompt": "a", "logprobs": 0}])
async def test_echo_that_is_not_possible_is_refused(
    server: Server, client: httpx.AsyncClient, fields: dict[str, object]
) -> None:
    """Token ids have no text here, and prompts no log-probabilities."""
    reply = await complete(client, echo=True, **fields)
    assert (reply.status_code, reply.json()["param"]) == (400, "echo")
    assert server.client.calls == []


async def test_one_bad_prompt_fails_the_whole_request_and_frees_the_rest(
    server: Server, client: httpx.AsyncClient
) -> None:
    """The others are cancelled in the engine."""
    reply = await complete(client, prompt=["a", "word " * 2000], ignore_eos=True)
    assert reply.status_code == 400
    assert server.client.running == 0
    assert server.admission.lane("parrot").used == 0
