"""`docs/conformance.md` says what is true; its name keeps this module last, when every judge has been heard."""

from __future__ import annotations

import os
from pathlib import Path

import grpc
import pytest
from tritonclient.grpc import service_pb2

from argosy.api.http.routes import DirectRoute, RouteSpec
from tests.conformance.judging import EVERY_JUDGE, Court
from tests.conformance.refused import ABSENT, INNER, Inner
from tests.conformance.written_conformance import DOCUMENT, document
from tests.e2e.running import Running
from tests.suites.gateway import gateway
from tests.suites.kserve_grpc import over_memory

WRITE = os.environ.get("ARGOSY_WRITE_CONFORMANCE") == "1"


@pytest.mark.triton
@pytest.mark.timeout(1200)
async def test_the_page_is_what_the_judges_and_the_code_say(tmp_path: Path, court: Court) -> None:
    """Written anew it is the same page; `make conformance` writes it."""
    verdicts = [(judge, court.verdicts(judge)) for judge in EVERY_JUDGE]
    page = document(await every_route(tmp_path / "http"), await every_method(tmp_path / "grpc"), verdicts)
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
@pytest.mark.parametrize("inner", INNER, ids=lambda inner: f"{inner.path} {inner.field}")
def test_what_the_page_calls_refused_inside_of_fields_is_refused(judged: Running, inner: Inner) -> None:
    """400, and the message names it."""
    reply = judged.post(inner.path, dict(inner.body))
    assert reply.status_code == 400, reply.text
    assert inner.named in reply.text


async def every_route(folder: Path) -> list[RouteSpec]:
    """The routes of a gateway, by dialect and path."""
    folder.mkdir()
    async with gateway(folder, templates_loaded=False) as server:
        routes = [route.spec for route in server.app.router.routes if isinstance(route, DirectRoute)]
    return sorted(routes, key=lambda spec: (spec.tag, spec.path, spec.method))


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
