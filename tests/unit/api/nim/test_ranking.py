from __future__ import annotations

import httpx
import pytest

from tests.suites.gateway import Server

PASSAGES = [{"text": "nothing alike"}, {"text": "ships carry the cargo"}, {"text": "the cargo"}]


async def rank(client: httpx.AsyncClient, **fields: object) -> httpx.Response:
    body = {"model": "ranker", "query": {"text": "ships and the cargo"}, "passages": PASSAGES, **fields}
    return await client.post("/v1/ranking", json=body)


async def test_passages_come_best_first(client: httpx.AsyncClient) -> None:
    """Index into the request and logit; no `object`, which clients would take for an error."""
    body = (await rank(client)).json()
    assert body["rankings"] == [{"index": 1, "logit": 3.0}, {"index": 2, "logit": 2.0}, {"index": 0, "logit": 0.0}]
    assert "object" not in body
    assert body["usage"]["total_tokens"] == body["usage"]["prompt_tokens"] > 0


async def test_equal_passages_keep_their_order(client: httpx.AsyncClient) -> None:
    """The sort is stable."""
    body = (await rank(client, passages=[{"text": "x"}] * 5)).json()
    assert [item["index"] for item in body["rankings"]] == [0, 1, 2, 3, 4]


async def test_many_passages_are_cut_into_batches(server: Server, client: httpx.AsyncClient) -> None:
    """512 passages make 8 engine calls of 64, and every passage is ranked."""
    passages = [{"text": f"word{number}"} for number in range(511)] + [{"text": "the ships and the cargo"}]
    body = (await rank(client, passages=passages)).json()
    assert [len(call.inputs["query"]) for call in server.client.calls] == [64] * 8
    assert body["rankings"][0]["index"] == 511
    assert sorted(item["index"] for item in body["rankings"]) == list(range(512))


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"query": "text"}, "query"),
        ({"query": {}}, "query.text"),
        ({"query": {"text": ""}}, "query.text"),
        ({"passages": []}, "passages"),
        ({"passages": [{"text": "a"}] * 513}, "passages"),
        ({"passages": [{"text": "a"}, {}]}, "passages[1].text"),
        ({"passages": [{"text": ""}]}, "passages[0].text"),
        ({"passages": [{"text": "a", "image": "data:"}]}, "passages[0].image"),
        ({"passages": ["a"]}, "passages[0]"),
        ({"truncate": "MIDDLE"}, "truncate"),
        ({"model": 1}, "model"),
    ],
)
async def test_a_wrong_field_is_400_and_named(
    server: Server, client: httpx.AsyncClient, fields: dict[str, object], param: str
) -> None:
    """No engine call is made."""
    reply = await rank(client, **fields)
    assert (reply.status_code, reply.json()["param"]) == (400, param)
    assert server.client.calls == []


async def test_truncate_reaches_the_engine(server: Server, client: httpx.AsyncClient) -> None:
    """As a request parameter."""
    await rank(client, truncate="END")
    assert server.client.calls[0].parameters == {"truncate": "END"}


async def test_what_is_too_long_is_refused_unless_it_may_be_cut(client: httpx.AsyncClient) -> None:
    """400 in the words that NIM's clients look for, naming the passages; NONE is the default."""
    passages = [{"text": "word " * 40}]
    for fields in ({}, {"truncate": "NONE"}):
        reply = await rank(client, passages=passages, **fields)
        assert (reply.status_code, reply.json()["param"]) == (400, "passages")
        assert "exceeds maximum allowed" in reply.json()["message"]
    for truncate in ("START", "END"):
        assert (await rank(client, passages=passages, truncate=truncate)).status_code == 200
