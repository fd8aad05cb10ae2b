from __future__ import annotations

import httpx
import pytest

from argosy.core.status import ModelState
from tests.suites.gateway import Server

INT8 = {"inputs": [{"name": "int8", "datatype": "INT8", "shape": [1], "data": [1]}]}


async def test_metadata_names_tensors_and_versions(client: httpx.AsyncClient) -> None:
    """In KServe's words; -1 is any size."""
    found = (await client.get("/v2/models/anything")).json()
    assert (found["name"], found["versions"], found["platform"]) == ("anything", ["1"], "argosy_echo")
    assert {"name": "matrix", "datatype": "FP32", "shape": [-1, 2]} in found["inputs"]
    assert {"name": "bf16", "datatype": "BF16", "shape": [-1]} in found["outputs"]


async def test_the_configuration_is_tritons(client: httpx.AsyncClient) -> None:
    """With the names of `config.pbtxt`."""
    found = (await client.get("/v2/models/echo/config")).json()
    assert (found["name"], found["max_batch_size"], found["backend"]) == ("echo", 8, "argosy_echo")
    assert found["input"][0]["data_type"] == "TYPE_STRING"


async def test_statistics_count_what_was_asked(client: httpx.AsyncClient) -> None:
    """For one model and for all of them."""
    await client.post("/v2/models/anything/infer", json=INT8)
    one = (await client.get("/v2/models/anything/stats")).json()["model_stats"]
    assert [(entry["name"], entry["version"]) for entry in one] == [("anything", "1")]
    assert one[0]["inference_stats"]["success"]["count"] == 1
    every = (await client.get("/v2/models/stats")).json()["model_stats"]
    assert {"anything", "echo", "parrot"} <= {entry["name"] for entry in every}


@pytest.mark.parametrize("path", ["", "/config", "/stats", "/ready"])
async def test_versions_have_their_own_paths(client: httpx.AsyncClient, path: str) -> None:
    """One that exists answers, another is 404, what is no number is 400."""
    statuses = [(await client.get(f"/v2/models/anything/versions/{version}{path}")).status_code for version in "12x"]
    assert statuses == [200, 404, 400]


@pytest.mark.parametrize("path", ["", "/config", "/stats", "/ready", "/versions/1", "/versions/1/ready"])
async def test_unknown_models_are_404(client: httpx.AsyncClient, path: str) -> None:
    """And the error lists what is served."""
    reply = await client.get(f"/v2/models/nothing{path}")
    assert reply.status_code == 404
    assert "anything" in reply.json()["error"]


async def test_a_model_is_ready_or_says_why_not(server: Server, client: httpx.AsyncClient) -> None:
    """The status is what clients look at."""
    reply = await client.get("/v2/models/anything/ready")
    assert (reply.status_code, reply.json()) == (200, {"name": "anything", "ready": True})
    server.set_state("anything", ModelState.LOADING)
    for path in ("/v2/models/anything/ready", "/v2/models/anything/versions/1/ready"):
        reply = await client.get(path)
        assert reply.status_code == 503
        assert reply.headers["retry-after"]
        assert reply.json()["ready"] is False
        assert "loading" in reply.json()["error"]


async def test_a_model_that_is_not_ready_takes_no_request(server: Server, client: httpx.AsyncClient) -> None:
    """503 with when to come back, as everywhere."""
    server.set_state("anything", ModelState.FENCED)
    reply = await client.post("/v2/models/anything/infer", json=INT8)
    assert reply.status_code == 503
    assert set(reply.json()) == {"error"}
    assert reply.headers["retry-after"]
    assert server.client.calls == []
