"""One model of many, under `/m/{model}`."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from argosy.api.http.single import inner_path, split
from argosy.core.status import ModelState
from argosy.server.access.keys import StaticKeys
from tests.suites.gateway import Server, gateway
from tests.unit.api.conftest import calling

KEY = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("/m/abacus/v1/models", ("abacus", "/v1/models")),
        ("/m/meta/llama-3.1-8b/v1/chat/completions", ("meta/llama-3.1-8b", "/v1/chat/completions")),
        ("/m/abacus/metrics", ("abacus", "/metrics")),
        ("/m/abacus/v2/rerank", ("abacus", "/v2/rerank")),
        ("/m/abacus/v2/models/abacus", None),
        ("/m/abacus/api/v1/keys", ("abacus/api", "/v1/keys")),
        ("/m/abacus/metrics/x", None),
        ("/m/abacus", None),
        ("/m//v1/models", None),
        ("/m/" + "a/" * 20 + "v1/models", None),
    ],
)
def test_a_path_names_the_model_and_what_is_asked_of_it(path: str, parts: tuple[str, str] | None) -> None:
    """A name may hold slashes; only paths of a single-model server are there."""
    assert split(path) == parts
    assert inner_path(path) == (path if parts is None else parts[1])


async def test_a_body_need_not_name_the_model(client: httpx.AsyncClient) -> None:
    """Missing or null, it is the one of the address."""
    for body in ({"input": "a b"}, {"input": "a b", "model": None}, {"input": "a b", "model": "embedder"}):
        reply = await client.post("/m/embedder/v1/embeddings", json=body)
        assert reply.status_code == 200
        assert reply.json()["model"] == "embedder"


async def test_an_embedding_name_with_its_ending_is_the_same_model(client: httpx.AsyncClient) -> None:
    """`-query` and `-passage` still stand in for `input_type`."""
    body = {"model": "embedder-query", "input": "a"}
    assert (await client.post("/m/embedder/v1/embeddings", json=body)).status_code == 200


async def test_another_model_is_not_there(server: Server, client: httpx.AsyncClient) -> None:
    """Though the server has it; no engine call is made."""
    reply = await client.post("/m/embedder/v1/completions", json={"model": "parrot", "prompt": "a"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "model_not_found")
    assert "embedder" in reply.json()["message"]
    assert server.client.calls == []


async def test_a_route_for_another_task_says_where_the_model_is_served(client: httpx.AsyncClient) -> None:
    """As without the prefix."""
    reply = await client.post("/m/embedder/v1/ranking", json={"query": {"text": "a"}, "passages": [{"text": "a"}]})
    assert reply.status_code == 400
    assert "/v1/embeddings" in reply.json()["message"]


async def test_only_the_model_and_its_other_names_are_listed(client: httpx.AsyncClient) -> None:
    """First the one whose root is itself, which clients take for the base model."""
    listed = (await client.get("/m/gpt-parrot/v1/models")).json()["data"]
    assert [model["id"] for model in listed] == ["parrot", "gpt-parrot"]
    assert (await client.get("/m/parrot/v1/models/gpt-parrot")).status_code == 200
    assert (await client.get("/m/parrot/v1/models/embedder")).status_code == 404


async def test_an_unknown_model_is_404(client: httpx.AsyncClient) -> None:
    """In the shape that every client reads, and without the names there are, because probes need no key."""
    reply = await client.get("/m/nothing/v1/health/ready")
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "model_not_found")
    assert "embedder" not in reply.text


async def test_a_path_that_a_single_model_has_not_is_404(client: httpx.AsyncClient) -> None:
    """The message says what there is."""
    reply = await client.get("/m/embedder/v2/models/ranker")
    assert reply.status_code == 404
    assert "/m/{model}" in reply.json()["message"]


async def test_readiness_is_the_models_own(server: Server, client: httpx.AsyncClient) -> None:
    """A model that loads does not hold back the others."""
    server.set_state("ranker", ModelState.LOADING, "reading weights")
    assert (await client.get("/v1/health/ready")).status_code == 503
    assert (await client.get("/m/embedder/v1/health/ready")).status_code == 200
    reply = await client.get("/m/ranker/v1/health/ready")
    assert reply.status_code == 503
    assert reply.json()["models"] == {"ranker": {"state": "loading", "reason": "reading weights"}}


async def test_metrics_are_the_models_own(client: httpx.AsyncClient) -> None:
    """Also under the names of other servers."""
    for model in ("embedder", "ranker"):
        body = {"input": "a", "query": {"text": "a"}, "passages": [{"text": "a"}]}
        path = {"embedder": "embeddings", "ranker": "ranking"}[model]
        assert (await client.post(f"/m/{model}/v1/{path}", json=body)).status_code == 200
    text = (await client.get("/m/ranker/metrics")).text
    assert 'num_requests_running{model_name="ranker"}' in text
    assert "embedder" not in text


async def test_streams_are_those_of_the_model(client: httpx.AsyncClient) -> None:
    """A completion without `model`, streamed to its end."""
    reply = await client.post("/m/parrot/v1/completions", json={"prompt": "a b", "stream": True})
    assert reply.status_code == 200
    assert reply.text.rstrip().endswith("data: [DONE]")


async def test_the_prefix_opens_no_door(tmp_path: Path) -> None:
    """A key is needed wherever it is without the prefix, and probes need none."""
    authenticator = StaticKeys({"tester": KEY})
    async with (
        gateway(tmp_path, templates_loaded=False, authenticator=authenticator) as server,
        calling(server) as client,
    ):
        assert (await client.get("/m/embedder/v1/models")).status_code == 401
        assert (await client.get("/m/nothing/v1/models")).status_code == 401
        assert (await client.get("/m/embedder/v1/health/ready")).status_code == 200
        known = {"authorization": f"Bearer {KEY}"}
        assert (await client.get("/m/embedder/v1/models", headers=known)).status_code == 200


async def test_the_prefix_is_described(client: httpx.AsyncClient) -> None:
    """Once, not by a copy of every route."""
    document = (await client.get("/openapi.json")).json()
    assert "/m/{model}" in document["info"]["description"]
    assert not [path for path in document["paths"] if path.startswith("/m/")]
