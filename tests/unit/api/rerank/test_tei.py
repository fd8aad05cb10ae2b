from __future__ import annotations

import math
from typing import Any

import httpx
import pytest

from tests.suites.gateway import Server

TEXTS = ["nothing alike", "ships carry the cargo", "the cargo"]


async def rerank(client: httpx.AsyncClient, path: str = "/rerank", **fields: Any) -> httpx.Response:
    return await client.post(path, json={"query": "ships and the cargo", "texts": TEXTS, **fields})


async def test_the_first_ranking_model_answers(client: httpx.AsyncClient) -> None:
    """A bare list, best first, without the texts."""
    body = (await rerank(client)).json()
    assert [item["index"] for item in body] == [1, 2, 0]
    assert [item["score"] for item in body] == pytest.approx([1 / (1 + math.exp(-x)) for x in (3, 2, 0)], abs=1e-6)
    assert set(body[0]) == {"index", "score"}


async def test_a_model_can_be_named(client: httpx.AsyncClient) -> None:
    """In the body or in the address."""
    assert (await rerank(client, model="ranker")).status_code == 200
    assert (await rerank(client, "/m/ranker/rerank")).status_code == 200
    assert (await rerank(client, "/m/ranker/rerank", model="embedder")).status_code == 404


async def test_raw_scores_are_the_models(client: httpx.AsyncClient) -> None:
    """Those of `/v1/ranking`."""
    assert [item["score"] for item in (await rerank(client, raw_scores=True)).json()] == [3, 2, 0]


async def test_texts_come_back_on_demand(client: httpx.AsyncClient) -> None:
    """Beside their scores."""
    body = (await rerank(client, return_text=True)).json()
    assert [item["text"] for item in body] == ["ships carry the cargo", "the cargo", "nothing alike"]


@pytest.mark.parametrize(
    ("fields", "parameters"),
    [
        ({}, {}),
        ({"truncate": True}, {"truncate": "END"}),
        ({"truncate": True, "truncation_direction": "Left"}, {"truncate": "START"}),
        ({"truncation_direction": "left"}, {}),
    ],
)
async def test_truncation_has_a_direction(
    server: Server, client: httpx.AsyncClient, fields: dict[str, Any], parameters: dict[str, str]
) -> None:
    """And only happens on demand."""
    assert (await rerank(client, **fields)).status_code == 200
    assert server.client.calls[0].parameters == parameters


async def test_what_is_too_long_is_refused(client: httpx.AsyncClient) -> None:
    """In TEI's error shape, with the field as the client knows it."""
    reply = await rerank(client, texts=["word " * 40])
    body = reply.json()
    assert reply.status_code == 400
    assert "exceeds maximum allowed" in body["error"]
    assert (body["error_type"], body["param"], body["message"]) == ("Validation", "texts", body["error"])


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"texts": []}, "texts"),
        ({"texts": [""]}, "texts[0]"),
        ({"texts": ["a"] * 1001}, "texts"),
        ({"query": ""}, "query"),
        ({"truncation_direction": "Up"}, "truncation_direction"),
        ({"raw_scores": "yes"}, "raw_scores"),
    ],
)
async def test_a_wrong_field_is_400_and_named(
    server: Server, client: httpx.AsyncClient, fields: dict[str, object], param: str
) -> None:
    """No engine call is made."""
    reply = await rerank(client, **fields)
    assert (reply.status_code, reply.json()["param"]) == (400, param)
    assert server.client.calls == []
