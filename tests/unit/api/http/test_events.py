from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterable
from pathlib import Path

import httpx

from argosy.api.http.exchange import HttpOptions
from argosy.core.errors import EngineCrashed, ModelNotReady
from argosy.core.status import ModelState
from argosy.runtime.contract import InferRequest
from tests.suites.gateway import Server, gateway, listening
from tests.unit.api.conftest import calling
from tests.unit.api.wire import exchange

LONG = " ".join(f"word{number}" for number in range(400))


def events(text: str) -> list[str]:
    """The data of each event."""
    return [block.removeprefix("data: ") for block in text.split("\n\n") if block.startswith("data: ")]


def stream_of(prompt: str = LONG, **fields: object) -> dict[str, object]:
    return {"model": "parrot", "prompt": prompt, "stream": True, **fields}


async def test_a_stream_is_one_json_object_a_line_and_ends_with_done(client: httpx.AsyncClient) -> None:
    """The joined texts are the answer of the same request without a stream."""
    reply = await client.post("/v1/completions", json=stream_of("one two three"))
    *chunks, done = events(reply.text)
    assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert done == "[DONE]"
    assert "".join(json.loads(chunk)["choices"][0]["text"] for chunk in chunks) == "one two three"


async def test_a_failure_before_the_first_chunk_is_a_plain_error(server: Server, client: httpx.AsyncClient) -> None:
    """The status line has not been sent yet, so it can tell the truth."""
    server.client.failures["parrot"] = EngineCrashed("The process stopped.")
    reply = await client.post("/v1/completions", json=stream_of())
    assert reply.status_code == 502
    assert reply.json()["error"]["code"] == "engine_crashed"


async def test_a_failure_in_mid_stream_is_an_event_and_no_done(tmp_path: Path) -> None:
    """L3: what was delivered stands, then the error, no finish reason, no [DONE], and the connection lives on."""
    async with (
        gateway(tmp_path, chat={"fail_after": "3"}, templates_loaded=False) as server,
        listening(server) as url,
        httpx.AsyncClient(base_url=url) as client,
    ):
        reply = await client.post("/v1/completions", json=stream_of())
        *chunks, last = events(reply.text)
        assert (await client.get("/v1/health/live")).status_code == 200
    assert reply.status_code == 200
    assert [json.loads(chunk)["choices"][0]["finish_reason"] for chunk in chunks] == [None, None]
    error = json.loads(last)
    assert error["error"]["code"] == "engine_error"
    assert error["request_id"] == reply.headers["x-request-id"]
    assert "[DONE]" not in reply.text
    assert 'route="/v1/completions",status="500"} 1.0' in server.metrics.render().decode()


async def test_a_defect_in_mid_stream_is_an_event_with_a_fixed_text(tmp_path: Path) -> None:
    """Its cause stays in the log."""
    async with gateway(tmp_path, templates_loaded=False) as server, calling(server) as client:
        whole = server.client.stream

        async def broken(request: InferRequest):
            async for answer in whole(request):
                yield answer
                raise ZeroDivisionError("secret detail")

        server.client.stream = broken  # type: ignore[method-assign]
        reply = await client.post("/v1/completions", json=stream_of())
    assert json.loads(events(reply.text)[-1])["error"]["code"] == "internal_error"
    assert "secret" not in reply.text


async def test_a_client_that_leaves_frees_the_engine(tmp_path: Path) -> None:
    """L1: closing the connection in mid-stream cancels the generation and frees its slot."""
    async with gateway(tmp_path, chat={"delay_ms": "20"}, templates_loaded=False) as server:
        async with listening(server) as url:
            async with exchange(url) as (reader, writer):
                writer.write(request_bytes(stream_of(ignore_eos=True)))
                await reader.readuntil(b"word2")
                assert running(server) == 1
            await until(lambda: running(server) == 0)
            await until(lambda: server.drain.in_flight == 0)
        assert server.admission.lane("parrot").used == 0
        assert 'status="499"} 1.0' in server.metrics.render().decode()


async def test_a_client_that_leaves_a_plain_generation_frees_the_engine(tmp_path: Path) -> None:
    """L1: the same without a stream."""
    async with (
        gateway(tmp_path, chat={"delay_ms": "200"}, templates_loaded=False) as server,
        listening(server) as url,
    ):
        async with exchange(url) as (_, writer):
            writer.write(request_bytes({"model": "parrot", "prompt": LONG}))
            await until(lambda: running(server) == 1)
        await until(lambda: running(server) == 0)


async def test_a_client_that_stops_reading_is_cut_off(tmp_path: Path) -> None:
    """L2: once the buffers are full for `send_seconds` the generation is cancelled."""
    options = HttpOptions(send_seconds=0.3)
    async with gateway(tmp_path, options=options, context_length=20_000, templates_loaded=False) as server:
        async with listening(server, send_buffer=8192) as url:
            host, _, port = url.removeprefix("http://").partition(":")
            with socket.socket() as deaf:
                deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                await asyncio.to_thread(deaf.connect, (host, int(port)))
                deaf.sendall(request_bytes(stream_of("word " * 50, ignore_eos=True)))
                await until(lambda: running(server) == 1)
                await until(lambda: running(server) == 0)
                await until(lambda: server.drain.in_flight == 0)
        assert server.admission.lane("parrot").used == 0


async def test_silence_is_broken_by_comments(tmp_path: Path) -> None:
    """A proxy between sees traffic although the model is slow; clients skip the comments."""
    options = HttpOptions(keep_alive_seconds=0.05)
    async with (
        gateway(tmp_path, options=options, chat={"delay_ms": "400"}, templates_loaded=False) as server,
        calling(server) as client,
    ):
        reply = await client.post("/v1/completions", json=stream_of("one two"))
    assert ": keep-alive\n\n" in reply.text
    assert events(reply.text)[-1] == "[DONE]"


async def test_a_drain_ends_a_stream_with_an_error_event(tmp_path: Path) -> None:
    """L11: a stream longer than the drain is told so and has no [DONE]."""
    async with gateway(tmp_path, chat={"delay_ms": "20"}, templates_loaded=False) as server, calling(server) as client:
        request = asyncio.create_task(client.post("/v1/completions", json=stream_of(ignore_eos=True)))
        await until(lambda: running(server) == 1 and pieces(server) > 2)
        assert await server.drain.finish(0.05) == 1
        reply = await request
    assert json.loads(events(reply.text)[-1])["error"]["code"] == "server_is_draining"
    assert "[DONE]" not in reply.text
    assert running(server) == 0


async def test_a_drain_lets_streams_finish(tmp_path: Path) -> None:
    """L11: twenty streams that end in time all end whole."""
    async with gateway(tmp_path, chat={"delay_ms": "5"}, templates_loaded=False) as server, calling(server) as client:
        body = stream_of("a b c d e f g h")
        requests = [asyncio.create_task(client.post("/v1/completions", json=body)) for _ in range(20)]
        await until(lambda: running(server) == 20)
        assert await server.drain.finish(30) == 0
        replies = await asyncio.gather(*requests)
    assert all(events(reply.text)[-1] == "[DONE]" for reply in replies)


async def test_a_model_fenced_between_streams_is_503(server: Server, client: httpx.AsyncClient) -> None:
    """L3: after the crash the next request is told to come back."""
    server.set_state("parrot", ModelState.FENCED, "its process was killed")
    reply = await client.post("/v1/completions", json=stream_of())
    assert reply.status_code == 503
    assert reply.json()["error"]["code"] == ModelNotReady.code
    assert "its process was killed" in reply.json()["message"]
    assert int(reply.headers["retry-after"]) >= 1


def request_bytes(body: object) -> bytes:
    content = json.dumps(body).encode()
    return f"POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(content)}\r\n\r\n".encode() + content


def running(server: Server) -> int:
    return server.client.running


def pieces(server: Server) -> float:
    text = server.metrics.render().decode()
    found: Iterable[str] = (
        line for line in text.splitlines() if line.startswith("argosy_inter_token_latency_seconds_count")
    )
    return sum(float(line.split()[-1]) for line in found)


async def until(condition) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)
