"""`GET /api/v1/profiles` over the whole gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import msgspec
import pytest

from argosy.api.management.profiles import ProfilesReply
from argosy.server.access.contract import Headers, Principal
from tests.suites.echo_models import echo_chat
from tests.suites.gateway import gateway
from tests.unit.api.conftest import calling

PATH = "/api/v1/profiles"
OPERATOR = {"authorization": "operator"}


class Roles:
    """The key is the role."""

    async def authenticate(self, headers: Headers) -> Principal:
        key = dict(headers).get(b"authorization", b"").decode()
        return Principal(key, operator=key == "operator")


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Calls a gateway that knows who is an operator."""
    async with gateway(tmp_path, authenticator=Roles(), templates_loaded=False) as server, calling(server) as ready:
        yield ready


async def test_an_operator_sees_the_machine_and_every_models_profile(client: httpx.AsyncClient) -> None:
    """In the form that the document of the API describes."""
    reply = await client.get(PATH, headers=OPERATOR)
    assert reply.status_code == 200
    body = msgspec.json.decode(reply.content, type=ProfilesReply, strict=True)
    assert body.host["processors"] >= 1
    assert {"openvino", "openvino_genai"} <= {engine["name"] for engine in body.host["engines"]}
    assert "CPU" in body.host["devices"]
    assert {model.model for model in body.models} == {"parrot", "embedder", "ranker", "sentiment"}
    for model in body.models:
        (profile,) = model.profiles
        assert (profile.selected, profile.status, model.selected) == (True, "compatible", profile.id)


async def test_models_are_chosen_by_name(client: httpx.AsyncClient) -> None:
    """Once or more; what the route does not know is told."""
    query = {"model": ["ranker", "parrot"], "verbose": "1"}
    reply = await client.get(PATH, headers=OPERATOR, params=query)
    assert [model["model"] for model in reply.json()["models"]] == ["ranker", "parrot"]
    assert "verbose" in reply.headers["x-argosy-warning"]


async def test_an_unknown_model_is_a_problem_in_rfc_9457s_form(client: httpx.AsyncClient) -> None:
    """With our code, the field and the request's id as further members."""
    reply = await client.get(PATH, headers=OPERATOR, params={"model": "nope"})
    problem = reply.json()
    assert reply.status_code == 404
    assert reply.headers["content-type"] == "application/problem+json"
    assert (problem["type"], problem["title"], problem["status"]) == ("about:blank", "Not Found", 404)
    assert "'nope' does not exist here" in problem["detail"]
    assert (problem["code"], problem["param"]) == ("model_not_found", "model")
    assert problem["instance"].endswith(reply.headers["x-request-id"])


@pytest.mark.parametrize(
    ("method", "path", "status", "title"),
    [
        ("GET", PATH, 403, "Forbidden"),
        ("POST", PATH, 405, "Method Not Allowed"),
        ("GET", "/api/v2/x", 404, "Not Found"),
    ],
)
async def test_every_error_under_api_is_a_problem(
    client: httpx.AsyncClient, method: str, path: str, status: int, title: str
) -> None:
    """Those of the router and of access too."""
    reply = await client.request(method, path, headers={"authorization": "user"})
    assert reply.status_code == status
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["title"] == title


async def test_the_route_is_documented_with_its_query_and_its_problems(client: httpx.AsyncClient) -> None:
    """In the OpenAPI document."""
    document = (await client.get("/openapi.json", headers=OPERATOR)).json()
    operation = document["paths"][PATH]["get"]
    assert [parameter["name"] for parameter in operation["parameters"]] == ["model"]
    assert "application/problem+json" in operation["responses"]["404"]["content"]
    assert {"Problem", "ProfilesReply", "ProfileVerdict"} <= set(document["components"]["schemas"])


async def test_a_profile_has_the_figures_of_its_proof(tmp_path: Path) -> None:
    """As the entry records them; null for what was never compared."""
    proof = {"passed": True, "reference": "fp32", "samples": 64, "figures": {"a": 0.98}, "thresholds": {"a": ">= 0.95"}}
    entry = echo_chat(tmp_path, "proven")
    proven = replace(entry, spec=replace(entry.spec, proof=proof))
    async with (
        gateway(tmp_path, authenticator=Roles(), templates_loaded=False, further=[proven]) as server,
        calling(server) as client,
    ):
        reply = await client.get(PATH, params={"model": ["proven", "parrot"]}, headers=OPERATOR)
    models = msgspec.json.decode(reply.content, type=ProfilesReply, strict=True).models
    assert [profile.proof and msgspec.to_builtins(profile.proof) for model in models for profile in model.profiles] == [
        proof,
        None,
    ]
