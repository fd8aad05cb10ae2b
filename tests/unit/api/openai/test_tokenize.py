from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.suites.gateway import Server


async def test_a_prompt_is_counted_and_spelled(client: httpx.AsyncClient) -> None:
    """Special tokens included unless they are not wanted."""
    reply = await client.post("/tokenize", json={"model": "parrot", "prompt": "hello world", "return_token_strs": True})
    assert reply.json() == {
        "count": 3,
        "max_model_len": 1000,
        "tokens": [1, 2, 3],
        "token_strs": ["<s>", "hello", "world"],
    }
    plain = await client.post(
        "/tokenize", json={"model": "parrot", "prompt": "hello world", "add_special_tokens": False}
    )
    assert plain.json()["tokens"] == [2, 3]
    assert plain.json()["token_strs"] is None


async def test_a_conversation_is_counted_as_the_model_will_read_it(chat: httpx.AsyncClient) -> None:
    """Through the chat template, which writes the special tokens itself; parts of text are joined."""
    messages = [
        {"role": "developer", "content": "hello"},
        {"role": "user", "content": [{"type": "text", "text": "hello"}]},
    ]
    body: dict[str, Any] = {"model": "parrot", "messages": messages}
    # system: hello user: hello assistant:
    assert (await chat.post("/tokenize", json=body)).json()["tokens"] == [6, 2, 4, 2, 5]
    without = await chat.post("/tokenize", json={**body, "add_generation_prompt": False})
    assert without.json()["tokens"] == [6, 2, 4, 2]
    special = await chat.post("/tokenize", json={**body, "add_special_tokens": True})
    assert special.json()["tokens"] == [1, 6, 2, 4, 2, 5]


async def test_tokens_become_text_again(client: httpx.AsyncClient) -> None:
    """Special ones spelled out."""
    reply = await client.post("/detokenize", json={"model": "parrot", "tokens": [1, 2, 3]})
    assert reply.json() == {"prompt": "<s> hello world"}
    assert (await client.post("/detokenize", json={"model": "parrot", "tokens": []})).json() == {"prompt": ""}


@pytest.mark.parametrize(
    ("path", "fields", "param"),
    [
        ("/tokenize", {}, "prompt"),
        ("/tokenize", {"prompt": "a", "messages": [{"role": "user", "content": "a"}]}, "prompt"),
        ("/tokenize", {"prompt": ["a"]}, "prompt"),
        ("/tokenize", {"messages": []}, "messages"),
        ("/tokenize", {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content[0]"),
        ("/tokenize", {"prompt": "a", "chat_template": "{{ 1 }}"}, "chat_template"),
        ("/tokenize", {"prompt": "x" * 64_001}, "prompt"),
        ("/tokenize", {"prompt": "a", "model": "embedder"}, "model"),
        ("/tokenize", {"messages": [{"role": "user", "content": "a"}], "model": "embedder"}, "messages"),
        ("/detokenize", {}, "tokens"),
        ("/detokenize", {"tokens": ["a"]}, "tokens[0]"),
        ("/detokenize", {"tokens": [-1]}, "tokens[0]"),
        ("/detokenize", {"tokens": [True]}, "tokens[0]"),
        ("/detokenize", {"tokens": [7]}, "tokens"),
        ("/detokenize", {"tokens": [1 << 31]}, "tokens[0]"),
    ],
)
async def test_a_wrong_field_is_400_and_named(
    client: httpx.AsyncClient, path: str, fields: dict[str, object], param: str
) -> None:
    """With the place of the item."""
    reply = await client.post(path, json={"model": "parrot", **fields})
    assert (reply.status_code, reply.json()["param"]) == (400, param)


async def test_a_model_that_keeps_its_tokenizer_to_itself_says_so(client: httpx.AsyncClient) -> None:
    """And what to do instead."""
    reply = await client.post("/tokenize", json={"model": "ranker", "prompt": "a"})
    assert reply.status_code == 400
    assert "inside its engine" in reply.json()["message"]


async def test_an_unknown_model_is_404(client: httpx.AsyncClient) -> None:
    """As everywhere."""
    reply = await client.post("/tokenize", json={"model": "nothing", "prompt": "a"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "model_not_found")


async def test_one_models_address_needs_no_name(server: Server, client: httpx.AsyncClient) -> None:
    """Under `/m/{model}`; no engine call is made for any of it."""
    assert (await client.post("/m/parrot/tokenize", json={"prompt": "hello"})).json()["count"] == 2
    assert (await client.post("/m/parrot/detokenize", json={"tokens": [2]})).json() == {"prompt": "hello"}
    assert server.client.calls == []
