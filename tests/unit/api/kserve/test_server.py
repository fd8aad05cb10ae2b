from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from argosy.core.status import ModelState
from argosy.server.access.keys import StaticKeys
from tests.suites.gateway import Server, gateway
from tests.unit.api.conftest import calling


async def test_the_server_names_its_extensions(client: httpx.AsyncClient) -> None:
    """Those that are served here, and none that would open the server's memory or files."""
    found = (await client.get("/v2")).json()
    assert found["name"]
    assert found["version"]
    assert {"binary_tensor_data", "classification", "generate", "statistics"} <= set(found["extensions"])
    assert not {"system_shared_memory", "cuda_shared_memory", "trace", "logging"} & set(found["extensions"])


async def test_live_and_ready(server: Server, client: httpx.AsyncClient) -> None:
    """Clients look at the status, people at the words."""
    assert (await client.get("/v2/health/live")).json() == {"live": True}
    assert (await client.get("/v2/health/ready")).json() == {"ready": True}
    server.set_state("parrot", ModelState.FAILED, "no memory")
    reply = await client.get("/v2/health/ready")
    assert reply.status_code == 503
    assert reply.json()["ready"] is False
    assert "no memory" in reply.json()["error"]
    assert (await client.get("/v2/health/live")).status_code == 200


async def test_a_draining_server_is_live_and_not_ready(server: Server, client: httpx.AsyncClient) -> None:
    """So that nobody sends it anything new."""
    server.drain.begin()
    assert (await client.get("/v2/health/live")).status_code == 200
    assert (await client.get("/v2/health/ready")).status_code == 503
    assert (await client.get("/v2")).status_code == 503


async def test_only_health_needs_no_key(tmp_path: Path) -> None:
    """Probes have none."""
    keys = StaticKeys({"team": "0123456789abcdef0123456789abcdef"})
    async with gateway(tmp_path, authenticator=keys, templates_loaded=False) as server, calling(server) as client:
        statuses = {
            path: (await client.get(path)).status_code
            for path in ("/v2/health/live", "/v2/health/ready", "/v2", "/v2/models/parrot", "/v2/models/parrot/ready")
        }
        refused = await client.get("/v2")
    assert list(statuses.values()) == [200, 200, 401, 401, 401]
    assert set(refused.json()) == {"error"}


ABSENT = [
    ("GET", "/v2/systemsharedmemory/status"),
    ("GET", "/v2/systemsharedmemory/region/r/status"),
    ("POST", "/v2/systemsharedmemory/region/r/register"),
    ("POST", "/v2/systemsharedmemory/region/r/unregister"),
    ("POST", "/v2/systemsharedmemory/unregister"),
    ("GET", "/v2/cudasharedmemory/status"),
    ("POST", "/v2/cudasharedmemory/region/r/register"),
    ("POST", "/v2/cudasharedmemory/unregister"),
    ("GET", "/v2/logging"),
    ("POST", "/v2/logging"),
    ("GET", "/v2/trace/setting"),
    ("POST", "/v2/trace/setting"),
    ("GET", "/v2/models/anything/trace/setting"),
    ("POST", "/v2/models/anything/trace/setting"),
    ("GET", "/v2/"),
    ("GET", "/v2/models"),
    ("GET", "/v2//health/live"),
    ("GET", "/v2/models/anything/"),
    ("POST", "/v2/models/a/b/infer"),
]


@pytest.mark.parametrize(("method", "path"), ABSENT)
async def test_what_would_open_the_server_does_not_exist(client: httpx.AsyncClient, method: str, path: str) -> None:
    """V1, V5: 404 in the dialect's shape, whoever asks."""
    reply = await client.request(method, path, json={} if method == "POST" else None)
    assert reply.status_code == 404
    assert set(reply.json()) == {"error"}
    assert "x-request-id" in reply.headers


async def test_a_wrong_method_is_405_in_the_dialects_shape(client: httpx.AsyncClient) -> None:
    """And names the right one."""
    reply = await client.get("/v2/models/anything/infer")
    assert reply.status_code == 405
    assert "POST" in reply.json()["error"]


def schemas_of(document: dict[str, Any], path: str, method: str) -> dict[str, Any]:
    """Status to content."""
    responses = document["paths"][path][method]["responses"]
    return {status: response.get("content", {}) for status, response in responses.items()}


async def test_the_document_describes_tensors_as_json_and_as_bytes(client: httpx.AsyncClient) -> None:
    """Both ways, and errors in the dialect's shape."""
    document = (await client.get("/openapi.json")).json()
    infer = document["paths"]["/v2/models/{model}/infer"]["post"]
    assert set(infer["requestBody"]["content"]) == {"application/json", "application/octet-stream"}
    assert set(infer["responses"]["200"]["content"]) == {"application/json", "application/octet-stream"}
    error = infer["responses"]["400"]["content"]["application/json"]["schema"]["$ref"]
    assert document["components"]["schemas"][error.rpartition("/")[2]]["required"] == ["error"]


async def test_the_document_has_every_route_once(client: httpx.AsyncClient) -> None:
    """With and without versions."""
    paths = (await client.get("/openapi.json")).json()["paths"]
    for base in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
        assert {f"{base}/{verb}" for verb in ("infer", "generate", "generate_stream")} <= set(paths)
        assert {f"{base}{verb}" for verb in ("", "/ready", "/config", "/stats")} <= set(paths)
    index = paths["/v2/repository/index"]["post"]
    assert index["requestBody"]["required"] is False
    assert index["responses"]["200"]["content"]["application/json"]["schema"]["type"] == "array"
