"""`docs/conformance.md` says what is true; its name keeps this module last, when every judge has been heard."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import pytest
from starlette.routing import Route
from tritonclient.grpc import service_pb2

from argosy.api.http.routes import DirectRoute, RouteSpec
from tests.conformance.absent import ABSENT
from tests.conformance.expectation import expected
from tests.conformance.judging import EVERY_JUDGE, Court
from tests.conformance.official import outcomes
from tests.conformance.probes import BASES, PROBES, Probe, template
from tests.conformance.written_conformance import DOCUMENT, DOCUMENTATION, document
from tests.e2e.running import Running
from tests.suites.gateway import gateway
from tests.suites.kserve_grpc import over_memory

WRITE = os.environ.get("ARGOSY_WRITE_CONFORMANCE") == "1"
_WARNED = "ignored unknown fields: "
# These are orders, which a field that is not known would not stop.
_ORDERS = ("/load", "/unload")


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[RouteSpec], list[str]]:
    return asyncio.run(every_route(tmp_path_factory.mktemp("routes") / "http"))


@pytest.fixture(scope="module")
def client(judged: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=judged.url, timeout=60, trust_env=False) as ready:
        yield ready


@pytest.mark.triton
@pytest.mark.timeout(1200)
def test_the_page_is_what_the_judges_and_the_code_say(
    tmp_path: Path, court: Court, routes: tuple[list[RouteSpec], list[str]], request: pytest.FixtureRequest
) -> None:
    """Written anew it is the same page; `make conformance` writes it."""
    verdicts = [(judge, court.verdicts(judge)) for judge in EVERY_JUDGE]
    methods = asyncio.run(every_method(tmp_path / "grpc"))
    page = document(*routes, methods, verdicts, outcomes(request.config, tmp_path))
    if WRITE:
        DOCUMENT.write_text(page)
    assert page == DOCUMENT.read_text(), "docs/conformance.md is stale. Run: make conformance"


@pytest.mark.triton
@pytest.mark.parametrize("path", ABSENT)
def test_what_the_page_calls_absent_is_absent(judged: Running, path: str) -> None:
    """404 whatever the method."""
    assert judged.get(path).status_code == 404
    assert judged.post(path, {}).status_code == 404


@pytest.mark.triton
@pytest.mark.parametrize("path", DOCUMENTATION)
def test_the_routes_about_routes_are_there(judged: Running, path: str) -> None:
    """With what the web framework has for them."""
    assert judged.get(path).status_code == 200


@pytest.mark.triton
@pytest.mark.parametrize("address", PROBES)
def test_every_field_is_what_the_page_says(
    client: httpx.Client, routes: tuple[list[RouteSpec], list[str]], address: str
) -> None:
    """It is answered without a warning, answered with one, or refused by name, on the real server."""
    (spec,) = [spec for spec in routes[0] if spec.path == template(address) and spec.body is not None]
    shown: set[str] = set()
    for probe in PROBES[address]:
        body = {**BASES[address], **probe.body}
        meant = expected({**body, **probe.meaning}, spec.fields, probe.lacking)
        reply = _post(client, address, body, probe)
        if meant.refused:
            assert 400 <= reply.status_code < 500, (probe, reply.text)
            assert any(_word(name) in reply.text for name in meant.refused), (probe, reply.text)
        else:
            assert reply.status_code == spec.status, (probe, reply.text)
            assert _warned(reply) == meant.ignored, probe
        shown |= meant.shown
    assert shown >= {fact.name for fact in spec.fields}, "a field that no request here shows"


@pytest.mark.triton
@pytest.mark.parametrize("address", [address for address in BASES if not address.endswith(_ORDERS)])
def test_a_field_that_the_page_does_not_list_is_named_in_a_warning(client: httpx.Client, address: str) -> None:
    """And changes nothing."""
    reply = _post(client, address, {**BASES[address], "colour": 1}, Probe({}))
    assert reply.status_code in {200, 202}
    assert _warned(reply) == {"colour"}


def test_every_field_of_every_route_is_tried(routes: tuple[list[RouteSpec], list[str]]) -> None:
    """There are requests to every route with a body."""
    with_body = {spec.path.replace("/versions/{version}", "") for spec in routes[0] if spec.body is not None}
    assert with_body == {template(address) for address in PROBES}
    assert BASES.keys() == PROBES.keys()


def _post(client: httpx.Client, address: str, body: dict[str, object], probe: Probe) -> httpx.Response:
    content = json.dumps(body).encode()
    headers = {"content-type": "application/json"}
    if probe.tail:
        headers["inference-header-content-length"] = str(len(content))
    return client.post(address, content=content + probe.tail, headers=headers)


def _word(name: str) -> str:
    """The name of a field by itself, or how it begins."""
    return name.rpartition(".")[2].removesuffix("[]").removesuffix("*")


def _warned(reply: httpx.Response) -> set[str]:
    """The fields that a reply says it ignored."""
    parts = reply.headers.get("x-argosy-warning", "").split("; ")
    return {name for part in parts if part.startswith(_WARNED) for name in part.removeprefix(_WARNED).split(", ")}


async def every_route(folder: Path) -> tuple[list[RouteSpec], list[str]]:
    """The routes of a gateway, by dialect and path, and the paths of the web framework's own."""
    folder.mkdir()
    async with gateway(folder, templates_loaded=False) as server:
        every = server.app.router.routes
    routes = [route.spec for route in every if isinstance(route, DirectRoute)]
    others = [route.path for route in every if isinstance(route, Route) and not isinstance(route, DirectRoute)]
    assert len(routes) + len(others) == len(every)
    return sorted(routes, key=lambda spec: (spec.tag, spec.path, spec.method)), others


async def every_method(folder: Path) -> dict[str, bool]:
    """Whether each method of Triton's gRPC service is there."""
    folder.mkdir()
    async with over_memory(folder) as server:
        found = {}
        for method in service_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"].methods:
            try:
                await server.raw(method.name)(b"", timeout=20)
                found[method.name] = True
            except grpc.aio.AioRpcError as error:
                found[method.name] = error.code() is not grpc.StatusCode.UNIMPLEMENTED
    return found
