import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import uvloop

from bench.client import Connection, Disconnected, FirstToken, event_text, events, post

HOST = "127.0.0.1"
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], object]


@asynccontextmanager
async def connected(*pieces: bytes, close: bool = False) -> AsyncIterator[Connection]:
    """A connection to a server that answers each request with `pieces`."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                if close:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, HOST, 0)
    connection = await Connection.open(HOST, server.sockets[0].getsockname()[1])
    try:
        yield connection
    finally:
        connection.close()
        server.close()
        await server.wait_closed()


def test_uvloop_carries_requests() -> None:
    """The loop that measurements run on works like the standard one."""

    async def once() -> bytes:
        async with connected(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") as connection:
            return (await connection.send(post(HOST, "/", b""), 10)).body

    assert uvloop.run(once()) == b"ok"


def test_post_counts_the_body() -> None:
    """A request has its length, its headers and an empty line before the body."""
    head, body = post("h:1", "/v1/x", b"{}", {"Authorization": "Bearer k"}).split(b"\r\n\r\n")
    assert head.splitlines()[0] == b"POST /v1/x HTTP/1.1"
    assert {b"Host: h:1", b"Content-Length: 2", b"Authorization: Bearer k"} <= set(head.splitlines())
    assert body == b"{}"


async def test_two_requests_over_one_connection() -> None:
    """A connection carries one request after another and gives status and body of each."""
    async with connected(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe", b"llo") as connection:
        for _ in range(2):
            reply = await connection.send(post(HOST, "/", b""), 10)
            assert (reply.status, reply.body) == (200, b"hello")
            assert reply.ended >= reply.sent
            assert reply.first is None


async def test_chunked_stream_marks_the_first_token() -> None:
    """The time of the first event with text lies between the request and the end."""
    event = b'data: {"choices":[{"text":"a"}]}\n\n'
    chunk = b"%x\r\n%b\r\n" % (len(event), event)
    async with connected(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunk, b"0\r\n\r\n") as connection:
        reply = await connection.send(post(HOST, "/", b""), 10, FirstToken().seen)
    assert reply.first is not None
    assert reply.sent <= reply.first <= reply.ended


async def test_early_end_is_disconnected() -> None:
    """A connection that ends before the answer is whole raises and takes no further request."""
    async with connected(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhe", close=True) as connection:
        with pytest.raises(Disconnected):
            await connection.send(post(HOST, "/", b""), 10)
        assert not connection.usable
        with pytest.raises(Disconnected):
            await connection.send(post(HOST, "/", b""), 10)


async def test_silence_times_out() -> None:
    """No answer within the deadline is a TimeoutError and closes the connection."""
    async with connected() as connection:
        with pytest.raises(TimeoutError):
            await connection.send(post(HOST, "/", b""), 0.05)
        assert not connection.usable


async def test_nonsense_is_disconnected() -> None:
    """Bytes that are not HTTP end the request."""
    async with connected(b"SSH-2.0-OpenSSH\r\n\r\n") as connection:
        with pytest.raises(Disconnected):
            await connection.send(post(HOST, "/", b""), 10)


def test_first_token_skips_events_without_text() -> None:
    """A role, an empty text and half an event are not yet the first token."""
    first = FirstToken()
    assert not first.seen(b'data: {"choices":[{"delta":{"role":"assistant","content":""}}]}\n\n')
    assert not first.seen(b'data: {"choices":[{"delta":{"con')
    assert first.seen(b'tent":"Hi"}}]}\n\n')


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (b'data: {"choices":[{"text":"a"}]}', "a"),
        (b'data: {"choices":[{"delta":{"content":"b"}}]}', "b"),
        (b'data: {"choices":[],"usage":{}}', ""),
        (b"data: [DONE]", ""),
        (b": ping", ""),
    ],
)
def test_event_text(event: bytes, text: str) -> None:
    """Both kinds of completion are read; anything else has no text."""
    assert event_text(event) == text


def test_events_of_a_whole_stream() -> None:
    """Comments are skipped and the end mark is required."""
    body = b': ping\n\ndata: {"a":1}\n\ndata: {"b":2}\n\ndata: [DONE]\n\n'
    assert events(body) == [{"a": 1}, {"b": 2}]
    with pytest.raises(ValueError, match="did not end"):
        events(body.removesuffix(b"data: [DONE]\n\n"))
