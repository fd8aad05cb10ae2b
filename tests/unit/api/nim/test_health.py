from __future__ import annotations

import httpx

from argosy.core.status import ModelState, RuntimeState, RuntimeStatus
from tests.suites.gateway import Server


async def test_live_is_200_whatever_the_models_do(server: Server, client: httpx.AsyncClient) -> None:
    """The process answers."""
    server.board.update(RuntimeStatus(RuntimeState.FAILED))
    reply = await client.get("/v1/health/live")
    assert reply.status_code == 200
    assert reply.json() == {"object": "health.response", "message": "Service is live.", "status": "live"}


async def test_ready_is_200_when_every_model_answers(client: httpx.AsyncClient) -> None:
    """In NIM's words."""
    reply = await client.get("/v1/health/ready")
    assert reply.status_code == 200
    assert reply.json()["message"] == "Service is ready."


async def test_not_ready_says_which_model_and_why(server: Server, client: httpx.AsyncClient) -> None:
    """The 503 names the model, its state and the reason."""
    server.set_state("ranker", ModelState.LOADING, "reading weights")
    server.set_state("embedder", ModelState.FAILED, "model.bin is missing")
    reply = await client.get("/v1/health/ready")
    body = reply.json()
    assert reply.status_code == 503
    assert "model 'ranker' is loading (reading weights)" in body["error"]["message"]
    assert "model 'embedder' failed to load (model.bin is missing)" in body["error"]["message"]
    assert body["models"]["ranker"] == {"state": "loading", "reason": "reading weights"}
    assert body["models"]["parrot"]["state"] == "ready"
    assert int(reply.headers["retry-after"]) >= 1


async def test_not_ready_says_how_the_runtime_stands(server: Server, client: httpx.AsyncClient) -> None:
    """Also before any model has reported."""
    server.board.update(RuntimeStatus(RuntimeState.BACKOFF, reason="it crashed", restarts=3))
    body = (await client.get("/v1/health/ready")).json()
    assert "it crashed" in body["error"]["message"]
    assert body["runtime"] == {"state": "backoff", "reason": "it crashed", "restarts": 3}


async def test_a_failed_model_does_not_hold_back_the_others(server: Server, client: httpx.AsyncClient) -> None:
    """Traffic to ready models goes on while readiness is 503."""
    server.set_state("ranker", ModelState.FAILED, "broken")
    assert (await client.post("/v1/embeddings", json={"model": "embedder", "input": "a"})).status_code == 200
    refused = await client.post(
        "/v1/ranking", json={"model": "ranker", "query": {"text": "a"}, "passages": [{"text": "b"}]}
    )
    assert refused.status_code == 503
    assert "broken" in refused.json()["message"]
