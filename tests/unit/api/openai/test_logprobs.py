from __future__ import annotations

import json
import math
from typing import Any

import httpx
import pytest

from argosy.api.openai.logprobs import ChatLogprobs, TextLogprobsWriter
from argosy.engines.contract import TokenLogprob
from tests.unit.api.http.test_events import events

HELLO = [{"role": "user", "content": "hello é"}]
WORDS = ["user:", " hello", " é", "\nassistant:"]


async def ask(client: httpx.AsyncClient, **fields: object) -> httpx.Response:
    return await client.post("/v1/chat/completions", json={"model": "parrot", "messages": HELLO, **fields})


async def complete(client: httpx.AsyncClient, **fields: object) -> httpx.Response:
    return await client.post("/v1/completions", json={"model": "parrot", "prompt": "one two é", **fields})


def chunks(reply: httpx.Response) -> list[dict[str, Any]]:
    """The choices of a stream."""
    return [json.loads(chunk)["choices"][0] for chunk in events(reply.text)[:-1]]


async def test_a_chat_tells_every_token(chat: httpx.AsyncClient) -> None:
    """Token, bytes and log-probability; the likeliest others when they are asked for."""
    (choice,) = (await ask(chat, logprobs=True, top_logprobs=2)).json()["choices"]
    logprobs = choice["logprobs"]
    assert logprobs["refusal"] is None
    assert [entry["token"] for entry in logprobs["content"]] == WORDS
    assert [bytes(entry["bytes"]).decode() for entry in logprobs["content"]] == WORDS
    assert logprobs["content"][0]["logprob"] == pytest.approx(-0.5)
    assert [[top["token"] for top in entry["top_logprobs"]] for entry in logprobs["content"]] == [
        [word, f"{word}1"] for word in WORDS
    ]


async def test_a_chat_without_others_has_empty_lists(chat: httpx.AsyncClient) -> None:
    """As OpenAI says it."""
    (choice,) = (await ask(chat, logprobs=True)).json()["choices"]
    assert [entry["top_logprobs"] for entry in choice["logprobs"]["content"]] == [[], [], [], []]


async def test_a_streamed_chat_tells_the_same(chat: httpx.AsyncClient) -> None:
    """Joined over the chunks; the role and the reason have none."""
    whole = (await ask(chat, logprobs=True, top_logprobs=3)).json()["choices"][0]["logprobs"]["content"]
    first, *rest, last = chunks(await ask(chat, logprobs=True, top_logprobs=3, stream=True))
    assert (first["logprobs"], last["logprobs"]) == (None, None)
    assert [entry for choice in rest for entry in choice["logprobs"]["content"]] == whole


async def test_tokens_of_calls_are_told_too(aviary: httpx.AsyncClient) -> None:
    """Also in a stream, where marks are held back."""
    text = '<tool_call> {"name": "f", "arguments": {"a": 1}} </tool_call>'
    fields = {"model": "hermes", "tools": [{"type": "function", "function": {"name": "f"}}], "logprobs": True}
    messages = [{"role": "user", "content": text}]
    (choice,) = (await ask(aviary, messages=messages, **fields)).json()["choices"]
    streamed = chunks(await ask(aviary, messages=messages, stream=True, **fields))
    assert "".join(entry["token"] for entry in choice["logprobs"]["content"]) == text
    told = [entry for chunk in streamed if chunk["logprobs"] for entry in chunk["logprobs"]["content"]]
    assert told == choice["logprobs"]["content"]


async def test_a_completion_tells_tokens_and_places(client: httpx.AsyncClient) -> None:
    """In OpenAI's older form: four lists."""
    (choice,) = (await complete(client, logprobs=2)).json()["choices"]
    assert choice["logprobs"]["tokens"] == ["one", " two", " é"]
    assert choice["logprobs"]["token_logprobs"] == pytest.approx([-0.3, -0.4, -0.2])
    assert choice["logprobs"]["text_offset"] == [0, 3, 7]
    assert [sorted(top) for top in choice["logprobs"]["top_logprobs"]] == [
        ["one", "one1"],
        [" two", " two1"],
        [" é", " é1"],
    ]


async def test_a_count_of_none_tells_the_chosen_tokens_only(client: httpx.AsyncClient) -> None:
    """Which is not the same as not asking."""
    (choice,) = (await complete(client, logprobs=0)).json()["choices"]
    assert choice["logprobs"]["tokens"] == ["one", " two", " é"]
    assert choice["logprobs"]["top_logprobs"] is None


async def test_a_streamed_completion_tells_the_same(client: httpx.AsyncClient) -> None:
    """Places count on from chunk to chunk."""
    whole = (await complete(client, logprobs=1)).json()["choices"][0]["logprobs"]
    told = [chunk["logprobs"] for chunk in chunks(await complete(client, logprobs=1, stream=True)) if chunk["logprobs"]]
    joined = {key: [item for piece in told for item in piece[key]] for key in whole}
    assert joined == whole


def test_parts_of_characters_are_written_as_bytes() -> None:
    """They begin a character once, and have no text."""
    tokens = [TokenLogprob(b"a", -1.0), TokenLogprob(b"\xf0\x9f", -2.0), TokenLogprob(b"\x98\x80", -math.inf)]
    chat = ChatLogprobs.of(tokens).content
    assert [(entry.token, entry.bytes) for entry in chat][1:] == [
        ("\\xf0\\x9f", [240, 159]),
        ("\\x98\\x80", [152, 128]),
    ]
    assert chat[2].logprob == -9999.0
    text = TextLogprobsWriter(top=False).write([*tokens, TokenLogprob(b"b", -1.0)])
    assert text.tokens == ["a", "bytes:\\xf0\\x9f", "bytes:\\x98\\x80", "b"]
    assert text.text_offset == [0, 1, 2, 2]
