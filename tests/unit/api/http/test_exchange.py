from __future__ import annotations

import asyncio
import json
from pathlib import Path

import httpx
import pytest

from argosy.api.http.exchange import HttpOptions
from argosy.server.admission.lane import Limits
from tests.suites.gateway import Server, gateway, listening
from tests.unit.api.conftest import calling
from tests.unit.api.wire import Reply, exchange

EMBED = {"model": "embedder", "input": "hello world"}


class TestSizeAndTime:
    async def test_an_announced_body_over_the_limit_is_refused_unread(self, tmp_path: Path) -> None:
        """413 comes before any byte of the body."""
        async with (
            gateway(tmp_path, options=HttpOptions(max_body_bytes=1000), templates_loaded=False) as server,
            listening(server) as url,
            exchange(url) as (reader, writer),
        ):
            writer.write(b"POST /v1/embeddings HTTP/1.1\r\nhost: x\r\ncontent-length: 1001\r\n\r\n")
            reply = await Reply.read(reader)
        assert reply.status == 413
        assert "1000 bytes" in reply.json["message"]

    async def test_a_chunked_body_over_the_limit_is_refused(self, tmp_path: Path) -> None:
        """H2: the limit counts what arrives, in however small chunks."""
        async with (
            gateway(tmp_path, options=HttpOptions(max_body_bytes=1000), templates_loaded=False) as server,
            listening(server) as url,
            exchange(url) as (reader, writer),
        ):
            writer.write(b"POST /v1/embeddings HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
            writer.write(b"1\r\n[\r\n" * 5000)
            reply = await Reply.read(reader)
        assert reply.status == 413

    async def test_a_body_that_does_not_arrive_is_408(self, tmp_path: Path) -> None:
        """H6: a client that sends its body too slowly is let go."""
        async with (
            gateway(tmp_path, options=HttpOptions(body_seconds=0.2), templates_loaded=False) as server,
            listening(server) as url,
            exchange(url) as (reader, writer),
        ):
            writer.write(b'POST /v1/embeddings HTTP/1.1\r\nhost: x\r\ncontent-length: 50\r\n\r\n{"model')
            reply = await Reply.read(reader)
            assert await reader.read() == b""
        assert reply.status == 408
        assert reply.headers["connection"] == "close"


class TestExpectation:
    HEAD = b"POST /v1/embeddings HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\n"

    async def test_a_body_announced_by_expect_is_asked_for(self, server: Server) -> None:
        """curl waits for it with large bodies."""
        content = json.dumps(EMBED).encode()
        async with listening(server) as url, exchange(url) as (reader, writer):
            writer.write(self.HEAD + f"content-length: {len(content)}\r\n\r\n".encode())
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(content)
            assert (await Reply.read(reader)).status == 200

    async def test_a_refusal_instead_of_100_closes_the_connection(self, server: Server) -> None:
        """Whether the body follows is the client's choice, so nothing after the reply can be trusted."""
        async with listening(server) as url, exchange(url) as (reader, writer):
            writer.write(self.HEAD + b"content-encoding: gzip\r\ncontent-length: 5\r\n\r\n")
            reply = await Reply.read(reader)
            assert await reader.read() == b""
        assert (reply.status, reply.headers["connection"]) == (415, "close")


class TestDeparture:
    async def test_a_client_that_leaves_frees_its_engine_call(self, server: Server) -> None:
        """L1: a plain request is cancelled in the engine when its client closes the connection, and logged as 499."""
        server.client.hold = asyncio.Event()
        async with listening(server) as url:
            async with exchange(url) as (_, writer):
                writer.write(_request(EMBED))
                await _until(lambda: server.client.running == 1)
            await _until(lambda: server.client.running == 0)
            await _until(lambda: server.drain.in_flight == 0)
        assert server.admission.lane("embedder").used == 0
        assert 'route="/v1/embeddings",status="499"} 1.0' in server.metrics.render().decode()

    async def test_a_client_that_leaves_the_queue_is_never_dispatched(self, tmp_path: Path) -> None:
        """L1: the place in the queue is given up too."""
        async with gateway(tmp_path, limits=Limits(slots=1), templates_loaded=False) as server:
            server.client.hold = asyncio.Event()
            lane = server.admission.lane("embedder")
            async with listening(server) as url, exchange(url) as (reader, first):
                first.write(_request(EMBED))
                await _until(lambda: server.client.running == 1)
                async with exchange(url) as (_, second):
                    second.write(_request(EMBED))
                    await _until(lambda: lane.waiting == 1)
                await _until(lambda: lane.waiting == 0)
                server.client.hold.set()
                assert (await Reply.read(reader)).status == 200
        assert len(server.client.calls) == 1


class TestDeadline:
    async def test_a_deadline_that_passes_in_the_queue_is_504(self, tmp_path: Path) -> None:
        """H12: the request is never dispatched."""
        async with gateway(tmp_path, limits=Limits(slots=1), templates_loaded=False) as server:
            server.client.hold = asyncio.Event()
            async with calling(server) as client:
                first = asyncio.create_task(client.post("/v1/embeddings", json=EMBED))
                await _until(lambda: server.client.running == 1)
                late = await client.post("/v1/embeddings", json=EMBED, headers={"x-request-timeout-ms": "50"})
                server.client.hold.set()
                assert (await first).status_code == 200
        assert late.status_code == 504
        assert late.json()["error"]["code"] == "deadline_exceeded"
        assert len(server.client.calls) == 1

    @pytest.mark.parametrize("value", ["0", "-1", "1.5", "soon", "9" * 13])
    async def test_a_senseless_deadline_is_400(self, client: httpx.AsyncClient, value: str) -> None:
        """The header is named."""
        reply = await client.post("/v1/embeddings", json=EMBED, headers={"x-request-timeout-ms": value})
        assert reply.status_code == 400
        assert reply.json()["param"] == "x-request-timeout-ms"

    async def test_a_deadline_reaches_the_engine_and_is_bounded(
        self, server: Server, client: httpx.AsyncClient
    ) -> None:
        """The engine call carries what is left, at most the model's own maximum."""
        await client.post("/v1/embeddings", json=EMBED, headers={"x-request-timeout-ms": "5000"})
        await client.post("/v1/embeddings", json=EMBED, headers={"x-request-timeout-ms": "999999999999"})
        short, bounded = (call.deadline.remaining for call in server.client.calls)
        assert short <= 5
        assert bounded <= 600

    async def test_a_deadline_that_passes_in_mid_stream_is_an_error_event(self, tmp_path: Path) -> None:
        """What was delivered stands; there is no [DONE]."""
        body = {"model": "parrot", "prompt": "a b c", "ignore_eos": True, "stream": True}
        async with (
            gateway(tmp_path, chat={"delay_ms": "50"}, templates_loaded=False) as server,
            calling(server) as client,
        ):
            reply = await client.post("/v1/completions", json=body, headers={"x-request-timeout-ms": "400"})
            assert server.client.running == 0
        assert reply.status_code == 200
        assert '"code":"deadline_exceeded"' in reply.text
        assert "[DONE]" not in reply.text

    async def test_a_full_queue_is_503_at_once(self, tmp_path: Path) -> None:
        """H10: what does not fit is refused with Retry-After and never waits."""
        async with gateway(tmp_path, limits=Limits(slots=1, queue=1), templates_loaded=False) as server:
            server.client.hold = asyncio.Event()
            async with calling(server) as client:
                lane = server.admission.lane("embedder")
                running = [asyncio.create_task(client.post("/v1/embeddings", json=EMBED))]
                await _until(lambda: lane.used == 1)
                running.append(asyncio.create_task(client.post("/v1/embeddings", json=EMBED)))
                await _until(lambda: lane.waiting == 1)
                refused = await client.post("/v1/embeddings", json=EMBED)
                server.client.hold.set()
                assert [(await task).status_code for task in running] == [200, 200]
        assert refused.status_code == 503
        assert refused.json()["error"]["code"] == "server_is_overloaded"
        assert int(refused.headers["retry-after"]) >= 1


def _request(body: object) -> bytes:
    content = json.dumps(body).encode()
    head = f"POST /v1/embeddings HTTP/1.1\r\nhost: x\r\ncontent-length: {len(content)}\r\n\r\n"
    return head.encode() + content


async def _until(condition) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)
