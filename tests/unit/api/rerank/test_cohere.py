from __future__ import annotations

import math
from typing import Any

import httpx
import pytest

from tests.suites.gateway import Server

DOCUMENTS = ["nothing alike", {"text": "ships carry the cargo"}, "the cargo"]


async def rerank(client: httpx.AsyncClient, path: str = "/v2/rerank", **fields: Any) -> httpx.Response:
    body = {"model": "ranker", "query": "ships and the cargo", "documents": DOCUMENTS, **fields}
    return await client.post(path, json=body)


@pytest.mark.parametrize("path", ["/v2/rerank", "/v1/rerank"])
async def test_documents_come_best_first_with_scores_from_0_to_1(client: httpx.AsyncClient, path: str) -> None:
    """A cross-encoder's score is the sigmoid of its logit; texts and objects are both taken."""
    body = (await rerank(client, path)).json()
    assert [item["index"] for item in body["results"]] == [1, 2, 0]
    scores = [item["relevance_score"] for item in body["results"]]
    assert scores == pytest.approx([1 / (1 + math.exp(-logit)) for logit in (3, 2, 0)], abs=1e-6)
    assert "document" not in body["results"][0]
    assert body["usage"]["total_tokens"] == body["meta"]["tokens"]["input_tokens"] > 0
    assert body["id"]
    assert body["model"] == "ranker"


async def test_the_order_is_that_of_ranking(client: httpx.AsyncClient) -> None:
    """Equal scores included."""
    texts = ["b", "ships", "c", "the cargo", "ships"]
    ranking = await client.post(
        "/v1/ranking",
        json={
            "model": "ranker",
            "query": {"text": "ships and the cargo"},
            "passages": [{"text": text} for text in texts],
        },
    )
    reranked = await rerank(client, documents=texts)
    assert [item["index"] for item in reranked.json()["results"]] == [
        item["index"] for item in ranking.json()["rankings"]
    ]


@pytest.mark.parametrize(("top_n", "count"), [(1, 1), (3, 3), (9, 3)])
async def test_top_n_is_how_many_come_back(client: httpx.AsyncClient, top_n: int, count: int) -> None:
    """More than there are means all of them."""
    assert len((await rerank(client, top_n=top_n)).json()["results"]) == count


async def test_documents_come_back_on_demand(client: httpx.AsyncClient) -> None:
    """As text, whatever form they had."""
    body = (await rerank(client, return_documents=True, top_n=2)).json()
    assert [item["document"] for item in body["results"]] == [{"text": "ships carry the cargo"}, {"text": "the cargo"}]


async def test_what_is_too_long_is_cut(server: Server, client: httpx.AsyncClient) -> None:
    """As these services do; the engine is told to."""
    assert (await rerank(client, documents=["word " * 100])).status_code == 200
    assert server.client.calls[0].parameters == {"truncate": "END"}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"query": ""}, "query"),
        ({"query": {"text": "a"}}, "query"),
        ({"documents": []}, "documents"),
        ({"documents": ["a"] * 1001}, "documents"),
        ({"documents": ["a", ""]}, "documents[1]"),
        ({"documents": ["a", {"image": "data:"}]}, "documents[1]"),
        ({"documents": ["a", 3]}, "documents[1]"),
        ({"top_n": 0}, "top_n"),
        ({"max_tokens_per_doc": 8}, "max_tokens_per_doc"),
        ({"rank_fields": ["title"]}, "rank_fields"),
        ({"model": None}, "model"),
    ],
)
async def test_a_wrong_field_is_400_and_named(
    server: Server, client: httpx.AsyncClient, fields: dict[str, object], param: str
) -> None:
    """No engine call is made."""
    reply = await rerank(client, **fields)
    assert (reply.status_code, reply.json()["param"]) == (400, param)
    assert server.client.calls == []


async def test_a_limit_for_documents_above_the_models_own_changes_nothing(client: httpx.AsyncClient) -> None:
    """Cohere's clients send theirs always."""
    assert (await rerank(client, max_tokens_per_doc=4096)).status_code == 200


@pytest.mark.parametrize("model", ["nothing", "embedder"])
async def test_errors_are_readable_for_every_client(client: httpx.AsyncClient, model: str) -> None:
    """`message` for Cohere's, `detail` for Jina's, `error` for OpenAI's."""
    reply = await rerank(client, model=model)
    body = reply.json()
    assert reply.status_code == {"nothing": 404, "embedder": 400}[model]
    assert model in body["message"]
    assert body["detail"] == body["message"] == body["error"]["message"]


async def test_one_models_address_needs_no_name(client: httpx.AsyncClient) -> None:
    """Under `/m/{model}`."""
    reply = await client.post("/m/ranker/v2/rerank", json={"query": "a", "documents": ["a", "b"]})
    assert [item["index"] for item in reply.json()["results"]] == [0, 1]
