from __future__ import annotations

import asyncio
import json
import logging
import re
from pathlib import Path

import httpx
import pytest

from argosy.core.errors import EngineCrashed, Unavailable
from argosy.server.access.contract import Headers, Principal
from argosy.server.access.keys import StaticKeys
from argosy.telemetry.logs import JsonFormatter
from tests.suites.gateway import Server, gateway, listening
from tests.unit.api.conftest import calling
from tests.unit.api.wire import post

KEY = "0123456789abcdef0123456789abcdef"
EMBED = {"model": "embedder", "input": "hello world"}


async def test_every_reply_carries_a_new_request_id(client: httpx.AsyncClient) -> None:
    """Ids are well-formed and differ."""
    replies = [await client.get(path) for path in ("/v1/models", "/v1/nothing", "/docs")]
    ids = [reply.headers["x-request-id"] for reply in replies]
    assert len(set(ids)) == 3
    assert all(re.fullmatch(r"[\w-]{1,64}", own) for own in ids)


async def test_a_wellformed_request_id_is_kept_down_to_the_engine(server: Server, client: httpx.AsyncClient) -> None:
    """The client's id is echoed and travels with the engine call."""
    reply = await client.post("/v1/embeddings", json=EMBED, headers={"x-request-id": "trace-1_A"})
    assert reply.headers["x-request-id"] == "trace-1_A"
    assert server.client.calls[0].request_id == "trace-1_A"


@pytest.mark.parametrize("own", ["a" * 65, "a b", "a;b", "ünïcode", ""])
async def test_any_other_request_id_is_replaced(client: httpx.AsyncClient, own: str) -> None:
    """An id that does not match is never echoed."""
    reply = await client.get("/v1/models", headers=[(b"x-request-id", own.encode())])
    assert reply.status_code == 200
    assert reply.headers["x-request-id"] != own


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/models/", "//v1/models", "/v1/embeddings/x", "/V1/models"])
async def test_unknown_paths_are_404_in_the_error_shape(client: httpx.AsyncClient, path: str) -> None:
    """There is no redirect and no plain text."""
    reply = await client.get(f"http://argosy{path}")
    assert reply.status_code == 404
    assert reply.json()["error"]["code"] == "not_found"


async def test_a_wrong_method_is_405_and_names_the_right_one(client: httpx.AsyncClient) -> None:
    """The message says what the path takes."""
    reply = await client.get("/v1/embeddings")
    assert reply.status_code == 405
    assert reply.headers["allow"] == "POST"
    assert "POST" in reply.json()["message"]


@pytest.mark.parametrize(
    "headers", [[("x-big", "x" * 1_000_000)], [(f"x-{number}", "1") for number in range(1000)]], ids=["long", "many"]
)
async def test_too_many_header_bytes_are_431(server: Server, headers: list[tuple[str, str]]) -> None:
    """H8: a megabyte in one header, or a thousand headers, over a real socket."""
    async with listening(server) as url:
        reply = await post(url, "/v1/embeddings", json.dumps(EMBED).encode(), headers=headers)
    assert reply.status == 431
    assert reply.json["error"]["code"] == "headers_too_large"
    assert server.client.calls == []


@pytest.mark.parametrize("name", ["host", "content-type", "x-request-timeout-ms"])
async def test_a_header_that_must_be_single_is_refused_twice(client: httpx.AsyncClient, name: str) -> None:
    """Two values would let two readers see two requests."""
    values = {"host": "a", "content-type": "application/json", "x-request-timeout-ms": "5"}
    headers = [(name, values[name]), (name, values[name])]
    reply = await client.post("/v1/embeddings", content=b"{}", headers=headers)
    assert reply.status_code == 400
    assert "twice" in reply.json()["message"]


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd", "deflate"])
async def test_compressed_bodies_are_415(server: Server, client: httpx.AsyncClient, encoding: str) -> None:
    """H3: nothing is inflated."""
    reply = await client.post("/v1/embeddings", content=b"\x1f\x8b", headers={"content-encoding": encoding})
    assert reply.status_code == 415
    assert server.client.calls == []


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
async def test_other_content_types_are_415(client: httpx.AsyncClient, content_type: str) -> None:
    """The message names the header to send."""
    reply = await client.post("/v1/embeddings", content=json.dumps(EMBED), headers={"content-type": content_type})
    assert reply.status_code == 415
    assert "application/json" in reply.json()["message"]


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON", "application/a+json", ""],
)
async def test_json_content_types_and_none_are_taken(client: httpx.AsyncClient, content_type: str) -> None:
    """Clients that send no content type at all still work."""
    headers = {"content-type": content_type} if content_type else {}
    reply = await client.post("/v1/embeddings", content=json.dumps(EMBED).encode(), headers=headers)
    assert reply.status_code == 200


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/chat/completions", "/v1/completions", "/v1/ranking"])
async def test_nested_brackets_are_400_everywhere(server: Server, path: str) -> None:
    """H1: half a megabyte of brackets is invalid_json and no engine hears of it."""
    async with listening(server) as url:
        reply = await post(url, path, b"[" * 500_000)
    assert reply.status == 400
    assert reply.json["error"]["code"] == "invalid_json"
    assert server.client.calls == []


async def test_unknown_fields_are_named_in_a_header(client: httpx.AsyncClient) -> None:
    """H5: they do not fail the request; unprintable names are not repeated."""
    reply = await client.post("/v1/embeddings", json={**EMBED, "colour": 1, "a\r\nb": 2})
    assert reply.status_code == 200
    assert reply.headers["x-argosy-warning"] == "ignored unknown fields: (unprintable), colour"


class TestAccess:
    @pytest.fixture
    async def guarded(self, tmp_path: Path):
        """A gateway that wants a key."""
        keys = StaticKeys({"team": KEY})
        async with gateway(tmp_path, authenticator=keys, templates_loaded=False) as server, calling(server) as client:
            yield client

    @pytest.mark.parametrize(
        "headers",
        [
            [],
            [("authorization", "Bearer")],
            [("authorization", "Bearer ")],
            [("authorization", f"Basic {KEY}")],
            [("authorization", KEY)],
            [("authorization", f"Bearer {KEY.upper()}")],
            [("authorization", f"Bearer {KEY} x")],
            [("authorization", f"Bearer {KEY}"), ("authorization", f"Bearer {KEY}")],
            [("authorization", "Bearer ' OR 1=1 --")],
            [("authorization", "Bearer " + "x" * 10_000)],
            [("api-key", KEY)],
        ],
    )
    @pytest.mark.parametrize("path", ["/v1/models", "/metrics", "/docs", "/openapi.json", "/nothing"])
    async def test_nothing_is_seen_without_the_key(self, guarded, headers, path: str) -> None:
        """Every path but health answers 401 and says how to ask, whatever stands in place of the key."""
        reply = await guarded.get(path, headers=headers)
        assert reply.status_code == 401
        assert reply.headers["www-authenticate"] == "Bearer"
        assert reply.json()["error"]["code"] == "invalid_api_key"

    async def test_the_key_opens(self, guarded) -> None:
        """The scheme's case does not matter."""
        for scheme in ("Bearer", "bearer"):
            assert (await guarded.get("/v1/models", headers={"authorization": f"{scheme} {KEY}"})).status_code == 200

    async def test_health_needs_no_key(self, guarded) -> None:
        """Probes have none."""
        assert (await guarded.get("/v1/health/live")).status_code == 200
        assert (await guarded.get("/v1/health/ready")).status_code == 200

    async def test_a_key_in_the_query_is_no_key(self, guarded) -> None:
        """It would end up in logs."""
        assert (await guarded.get(f"/v1/models?api_key={KEY}")).status_code == 401

    async def test_an_authenticator_that_fails_lets_nobody_in(self, tmp_path: Path) -> None:
        """A known failure is 503, an unknown one 500; neither is 200."""

        class Broken:
            def __init__(self, error: Exception) -> None:
                self._error = error

            async def authenticate(self, headers: Headers) -> Principal:
                raise self._error

        for error, status in ((Unavailable("later"), 503), (KeyError("x"), 500)):
            folder = tmp_path / str(status)
            async with (
                gateway(folder, authenticator=Broken(error), templates_loaded=False) as server,
                calling(server) as client,
            ):
                assert (await client.get("/v1/models")).status_code == status


class TestFailures:
    async def test_a_defect_is_500_with_a_fixed_text(
        self, server: Server, client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The cause is in the log, with the request id, and not in the reply."""
        server.client.failures["embedder"] = ZeroDivisionError("secret detail")  # type: ignore[assignment]
        reply = await client.post("/v1/embeddings", json=EMBED)
        assert reply.status_code == 500
        assert "secret" not in reply.text
        assert reply.headers["x-request-id"] in caplog.text
        assert "secret detail" in caplog.text

    async def test_a_crash_is_502_and_counted(self, server: Server, client: httpx.AsyncClient) -> None:
        """The metric has the status that the client got."""
        server.client.failures["embedder"] = EngineCrashed("The process stopped.")
        assert (await client.post("/v1/embeddings", json=EMBED)).status_code == 502
        text = server.metrics.render().decode()
        assert 'argosy_requests_total{model="embedder",route="/v1/embeddings",status="502"} 1.0' in text

    async def test_gauges_return_to_zero(self, server: Server, client: httpx.AsyncClient) -> None:
        """Nothing stays in flight after good and bad requests."""
        await client.post("/v1/embeddings", json=EMBED)
        server.client.failures["embedder"] = EngineCrashed("The process stopped.")
        await client.post("/v1/embeddings", json=EMBED)
        await client.post("/v1/embeddings", content=b"[")
        text = server.metrics.render().decode()
        assert "argosy_requests_in_flight 0.0" in text
        assert 'argosy_engine_calls_in_flight{model="embedder"} 0.0' in text
        assert server.drain.in_flight == 0


class TestAccessLog:
    async def test_one_line_a_request_without_its_content(
        self, client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        """V24: the line has status, model and tokens, and no word of the prompt."""
        with caplog.at_level(logging.INFO, "argosy.access"):
            await client.post("/v1/embeddings", json={**EMBED, "input": "confidential words"})
        lines = [JsonFormatter().format(record) for record in caplog.records if record.name == "argosy.access"]
        assert len(lines) == 1
        entry = json.loads(lines[0])
        assert (entry["status"], entry["model"], entry["prompt_tokens"]) == (200, "embedder", 2)
        assert "confidential" not in lines[0]

    async def test_a_line_break_in_the_path_stays_one_line(
        self, client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        """An encoded CRLF cannot forge a second line."""
        with caplog.at_level(logging.INFO, "argosy.access"):
            await client.get("/v1/x%0d%0aINFO forged")
        line = JsonFormatter().format(caplog.records[-1])
        assert "\n" not in line
        assert json.loads(line)["path"] == "/v1/x\r\nINFO forged"


class TestDrain:
    async def test_new_requests_are_refused_and_health_tells(self, server: Server, client: httpx.AsyncClient) -> None:
        """503 with Connection: close; ready is 503, live and metrics stay 200."""
        server.drain.begin()
        reply = await client.post("/v1/embeddings", json=EMBED)
        assert reply.status_code == 503
        assert reply.headers["connection"] == "close"
        assert reply.json()["error"]["code"] == "server_is_draining"
        assert (await client.get("/v1/health/ready")).status_code == 503
        assert (await client.get("/v1/health/live")).status_code == 200
        assert (await client.get("/metrics")).status_code == 200

    async def test_running_requests_finish(self, server: Server, client: httpx.AsyncClient) -> None:
        """L11: drain waits for what is in flight."""
        server.client.hold = asyncio.Event()
        request = asyncio.create_task(client.post("/v1/embeddings", json=EMBED))
        await _until(lambda: server.client.running == 1)
        drained = asyncio.create_task(server.drain.finish(30))
        await _until(lambda: server.drain.draining)
        server.client.hold.set()
        assert (await request).status_code == 200
        assert await drained == 0

    async def test_what_does_not_finish_gets_an_error_reply(self, server: Server, client: httpx.AsyncClient) -> None:
        """After the drain time a request that has not begun its answer is 503 and its engine call is cancelled."""
        server.client.hold = asyncio.Event()
        request = asyncio.create_task(client.post("/v1/embeddings", json=EMBED))
        await _until(lambda: server.client.running == 1)
        assert await server.drain.finish(0.05) == 1
        reply = await request
        assert reply.status_code == 503
        assert reply.json()["error"]["code"] == "server_is_draining"
        assert server.client.running == 0

    async def test_a_second_signal_does_not_wait(self, server: Server, client: httpx.AsyncClient) -> None:
        """`hurry` ends a drain that would take an hour."""
        server.client.hold = asyncio.Event()
        request = asyncio.create_task(client.post("/v1/embeddings", json=EMBED))
        await _until(lambda: server.client.running == 1)
        drained = asyncio.create_task(server.drain.finish(3600))
        await asyncio.sleep(0)
        server.drain.hurry()
        assert await drained == 1
        assert (await request).status_code == 503


async def _until(condition) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)
