from __future__ import annotations

from contextlib import aclosing
from pathlib import Path

import httpx
import pytest

from argosy.core.errors import EngineCrashed
from argosy.core.models import GenerateSpec, ModelSpec, Task
from argosy.engines.contract import GenerationRequest
from argosy.server.catalog.catalog import ServedModel
from argosy.server.dataplane.call import Call
from argosy.server.dataplane.plane import DataPlane
from tests.suites.gateway import Server, gateway
from tests.unit.api.conftest import calling


async def test_version_is_nims(client: httpx.AsyncClient) -> None:
    """Release of the program and of the surface."""
    assert (await client.get("/v1/version")).json() == {"release": "1.2.3", "api": "1.0.0"}


@pytest.mark.parametrize("path", ["/metrics", "/v1/metrics"])
async def test_metrics_are_prometheus_text(client: httpx.AsyncClient, path: str) -> None:
    """At both paths that scrapers know."""
    await client.post("/v1/embeddings", json={"model": "embedder", "input": "a b"})
    reply = await client.get(path)
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'argosy_prompt_tokens_total{model="embedder"} 2.0' in reply.text
    assert 'argosy_model_ready{model="embedder"} 1.0' in reply.text


async def test_further_metrics_are_appended(tmp_path: Path) -> None:
    """The hook's text follows ours."""

    async def more() -> bytes:
        return b"nv_inference_count 5\n"

    async with gateway(tmp_path, templates_loaded=False, extra_metrics=more) as server, calling(server) as client:
        text = (await client.get("/metrics")).text
    assert text.startswith("# HELP argosy_requests_total")
    assert text.endswith("nv_inference_count 5\n")


async def test_generations_are_measured(server: Server, client: httpx.AsyncClient) -> None:
    """Tokens, time to the first one and between the others."""
    await client.post("/v1/completions", json={"model": "parrot", "prompt": "a b c", "stream": True})
    text = server.metrics.render().decode()
    assert 'argosy_generation_tokens_total{model="parrot"} 3.0' in text
    assert 'argosy_time_to_first_token_seconds_count{model="parrot"} 1.0' in text
    assert 'argosy_inter_token_latency_seconds_count{model="parrot"} 2.0' in text


async def test_ends_of_generations_are_counted_by_reason(server: Server, client: httpx.AsyncClient) -> None:
    """Whole answers, answers cut at their limit, and those the engine failed on."""
    for limit in (8, 2):
        body = {"model": "parrot", "prompt": "a b c", "max_tokens": limit}
        assert (await client.post("/v1/completions", json=body)).status_code == 200
    server.client.failures["parrot"] = EngineCrashed("gone")
    assert (await client.post("/v1/completions", json={"model": "parrot", "prompt": "a"})).status_code == 502
    text = server.metrics.render().decode()
    for reason in ("stop", "length", "error"):
        assert f'request_finish_total{{finished_reason="{reason}",model_name="parrot"}} 1.0' in text
    assert 'request_generation_tokens_count{model_name="parrot"} 2.0' in text
    assert 'request_generation_tokens_sum{model_name="parrot"} 5.0' in text
    assert 'request_failure_total{model_name="parrot"} 1.0' in text


async def test_an_answer_nobody_waits_for_is_an_abort(server: Server) -> None:
    """Its tokens count; its length does not."""
    plane = DataPlane.over(server.client, server.board, server.admission, server.metrics)
    spec = ModelSpec("parrot", Task.GENERATE, "echo", generate=GenerateSpec(1000))
    answer = plane.generator.generate(ServedModel("parrot", "parrot", spec, 0), [GenerationRequest("a b c")], Call())
    async with aclosing(answer) as chunks:
        await anext(chunks)
    text = server.metrics.render().decode()
    assert 'request_finish_total{finished_reason="abort",model_name="parrot"} 1.0' in text
    assert 'argosy_generation_tokens_total{model="parrot"} 1.0' in text
    assert 'request_generation_tokens_count{model_name="parrot"} 0.0' in text
