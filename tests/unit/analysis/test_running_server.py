"""Speaking to a running server, over sockets that behave well and badly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from argosy.analysis.running_server import RunningServer
from argosy.core.errors import InvalidSetting, RuntimeFailure

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
REFUSED = b'HTTP/1.1 400 Bad Request\r\nContent-Length: 31\r\n\r\n{"error": "no such file: x.bin"}'


class Peer:
    """Answers each request with what `answer` says of its number; None closes the connection, empty waits."""

    def __init__(self, answer: Callable[[int], bytes | None]) -> None:
        self._answer = answer
        self.connections = 0
        self.heads: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = next(int(line[15:]) for line in head.split("\r\n") if line.startswith("Content-Length:"))
                await reader.readexactly(length)
                self.heads.append(head)
                answer = self._answer(len(self.heads))
                if answer is None:
                    return
                writer.write(answer)
        except asyncio.IncompleteReadError:
            return
        finally:
            writer.close()


@asynccontextmanager
async def server_of(
    answer: Callable[[int], bytes | None], key: str = "", within: float = 30.0
) -> AsyncIterator[tuple[RunningServer, Peer]]:
    peer = Peer(answer)
    async with await asyncio.start_server(peer.serve, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        server = RunningServer(f"http://127.0.0.1:{port}", key, request_timeout=within, load_timeout=within)
        try:
            yield server, peer
        finally:
            await server.close()


async def test_a_connection_is_kept() -> None:
    """A measurement is not one of connections."""
    async with server_of(lambda _: GOOD) as (server, peer):
        for _ in range(3):
            assert await server.post("/v2/x", b"{}", {}) == b"{}"
        assert peer.connections == 1


async def test_the_key_goes_with_every_request() -> None:
    """As a bearer token."""
    async with server_of(lambda _: GOOD, key="secret") as (server, peer):
        await server.reload("a b")
        assert "Authorization: Bearer secret\r\n" in peer.heads[0]
        assert peer.heads[0].startswith("POST /v2/repository/models/a%20b/load HTTP/1.1")


async def test_a_refusal_is_told_in_the_servers_words() -> None:
    """With the status."""
    async with server_of(lambda _: REFUSED.replace(b"31", b"32")) as (server, _):
        with pytest.raises(RuntimeFailure, match=r"answered 400: no such file: x\.bin"):
            await server.reload("m")


@pytest.mark.parametrize("answer", [None, b"nonsense\r\n\r\n"])
async def test_a_server_that_does_not_speak_http_is_an_error(answer: bytes | None) -> None:
    """Closed connections and other protocols."""
    async with server_of(lambda _: answer) as (server, _):
        with pytest.raises(RuntimeFailure, match="does not answer"):
            await server.post("/v2/x", b"{}", {})


async def test_silence_ends_at_the_deadline() -> None:
    """Nothing waits for ever."""
    async with server_of(lambda _: b"", within=0.05) as (server, _):
        with pytest.raises(RuntimeFailure, match="does not answer"):
            await server.reload("m")


async def test_nobody_listening_is_an_error() -> None:
    """At once."""
    async with await asyncio.start_server(lambda *_: None, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
    with pytest.raises(RuntimeFailure, match="does not answer"):
        await RunningServer(f"http://127.0.0.1:{port}").reload("m")


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://host", "http://host/path", "http://"])
def test_a_url_that_cannot_be_used_is_refused(url: str) -> None:
    """Before anything is measured."""
    with pytest.raises(InvalidSetting, match="http://host:port"):
        RunningServer(url)
