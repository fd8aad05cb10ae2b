from __future__ import annotations

import httpx
import pytest


async def classify(client: httpx.AsyncClient, given: object, **fields: object) -> httpx.Response:
    return await client.post("/v1/classify", json={"model": "sentiment", "input": given, **fields})


async def test_the_reply_is_vllms(client: httpx.AsyncClient) -> None:
    """The likeliest label, every probability in label order, and the number of classes."""
    body = (await classify(client, ["a good film", "a dull one"])).json()
    assert body["object"] == "list"
    assert body["id"].startswith("classify-")
    assert body["usage"] == {"prompt_tokens": 6, "completion_tokens": 0, "total_tokens": 6}
    first, second = body["data"]
    assert (first["index"], first["label"], first["num_classes"]) == (0, "positive", 2)
    assert first["probs"] == pytest.approx([0.1, 0.9])
    assert (second["index"], second["label"]) == (1, "negative")


async def test_a_single_text_is_a_list_of_one(client: httpx.AsyncClient) -> None:
    """`input` may be a string."""
    assert [item["label"] for item in (await classify(client, "good")).json()["data"]] == ["positive"]


@pytest.mark.parametrize("given", ["", [], [""], None, [1], 5])
async def test_any_other_input_is_400_and_named(client: httpx.AsyncClient, given: object) -> None:
    """`param` is the field or the item."""
    reply = await classify(client, given)
    assert reply.status_code == 400
    assert reply.json()["param"].startswith("input")


async def test_an_overlong_text_is_400_unless_it_may_be_cut(client: httpx.AsyncClient) -> None:
    """`truncate` reaches the engine."""
    assert (await classify(client, "word " * 40)).status_code == 400
    assert (await classify(client, "word " * 40, truncate="END")).status_code == 200
