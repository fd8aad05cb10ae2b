"""Our gRPC client against grpcio's own server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import grpc
import grpc.aio
import pytest

from argosy.runtime.triton.channel import Channel, RpcError, expire_after, method

SERVICE = "/test.Service/"
LIMITS = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]


class Service(grpc.GenericRpcHandler):
    """Methods on bytes: what each test needs of a server."""

    def __init__(self) -> None:
        self.left = asyncio.Event()

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        name = handler_call_details.method.removeprefix(SERVICE)
        unary: dict[str, Callable[[bytes, grpc.aio.ServicerContext], Awaitable[bytes]]] = {
            "Echo": self.echo,
            "Refuse": self.refuse,
            "Sleep": self.sleep,
        }
        if name in unary:
            return grpc.unary_unary_rpc_method_handler(unary[name])
        return grpc.stream_stream_rpc_method_handler(self.talk) if name == "Talk" else None

    async def echo(self, request: bytes, _context: grpc.aio.ServicerContext) -> bytes:
        return request

    async def refuse(self, request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"no: {request.decode()} § 100 %")
        raise AssertionError

    async def sleep(self, request: bytes, _context: grpc.aio.ServicerContext) -> bytes:
        try:
            await asyncio.sleep(60)
        finally:
            self.left.set()
        return request

    async def talk(self, requests: AsyncIterator[bytes], _context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
        """Each request comes back as often as its first byte says."""
        try:
            async for request in requests:
                for _ in range(request[0]):
                    yield request
        finally:
            self.left.set()


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
async def channel(service: Service, tmp_path: Path) -> AsyncIterator[Channel]:
    server = grpc.aio.server(options=LIMITS)
    server.add_generic_rpc_handlers((service,))
    server.add_insecure_port(f"unix:{tmp_path}/s")
    await server.start()
    channel = Channel(f"unix:{tmp_path}/s")
    yield channel
    channel.close()
    await server.stop(0)


def call(name: str) -> bytes:
    return method(SERVICE, name)


async def unary(channel: Channel, name: str, message: bytes, seconds: float = 30) -> bytes:
    return await channel.unary(call(name), message, seconds)


@pytest.mark.parametrize("size", [0, 1, 16_384, 65_536, 70_000, 5_000_000])
async def test_a_message_of_any_size_comes_back(channel: Channel, size: int) -> None:
    """Frames and windows are respected in both directions, below and above their limits."""
    message = bytes(index % 251 for index in range(size))
    assert await unary(channel, "Echo", message) == message


async def test_many_calls_at_once_get_their_own_answers(channel: Channel) -> None:
    """Streams share the connection without mixing."""
    messages = [f"{number}".encode() * (number % 3 * 30_000 + 1) for number in range(100)]
    assert await asyncio.gather(*(unary(channel, "Echo", message) for message in messages)) == messages


async def test_windows_are_given_back_over_many_calls(channel: Channel) -> None:
    """What is sent in sum exceeds every initial window many times over."""
    for _ in range(200):
        assert len(await unary(channel, "Echo", b"x" * 20_000)) == 20_000


async def test_an_error_has_the_servers_code_and_words(channel: Channel) -> None:
    """Trailers are decoded, percent encoding and all."""
    with pytest.raises(RpcError) as caught:
        await unary(channel, "Refuse", b"wrong")
    assert (caught.value.code, caught.value.text) == (grpc.StatusCode.INVALID_ARGUMENT, "no: wrong § 100 %")
    assert await unary(channel, "Echo", b"still here") == b"still here"


async def test_an_unknown_method_is_unimplemented(channel: Channel) -> None:
    """A reply without a body is an error, not an empty answer."""
    with pytest.raises(RpcError) as caught:
        await unary(channel, "Nothing", b"x")
    assert caught.value.code is grpc.StatusCode.UNIMPLEMENTED


async def test_a_deadline_ends_the_call_here_and_there(channel: Channel, service: Service) -> None:
    """The caller gets DEADLINE_EXCEEDED, and the server's handler is cancelled."""
    with pytest.raises(RpcError) as caught:
        await unary(channel, "Sleep", b"x", 0.1)
    assert caught.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
    await asyncio.wait_for(service.left.wait(), 10)


async def test_a_cancelled_task_cancels_the_servers_handler(channel: Channel, service: Service) -> None:
    """Leaving is told to the server."""
    task = asyncio.create_task(unary(channel, "Sleep", b"x"))
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(service.left.wait(), 10)


async def test_a_stream_carries_one_request_after_another(channel: Channel) -> None:
    """Messages keep their order and borders, several in one packet included."""
    stream = await channel.open(call("Talk"))
    for count in (3, 200, 1):
        message = bytes([count]) + b"!" * 50
        stream.write(message)
        assert [await stream.read() for _ in range(count)] == [message] * count
    stream.done_writing()
    assert await stream.read() is None
    assert stream.done()


async def test_a_cancelled_stream_ends_here_and_there(channel: Channel, service: Service) -> None:
    """Resetting reaches the server; the stream is done."""
    stream = await channel.open(call("Talk"))
    stream.write(b"\x01")
    assert await stream.read() == b"\x01"
    stream.cancel()
    assert stream.done()
    await asyncio.wait_for(service.left.wait(), 10)


async def test_a_stream_expires(channel: Channel) -> None:
    """A timer ends a waiting read with DEADLINE_EXCEEDED."""
    stream = await channel.open(call("Talk"))
    expire_after(stream.cancel, 0.05)
    with pytest.raises(RpcError) as caught:
        await stream.read()
    assert caught.value.code is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_an_interrupted_stream_goes_on(channel: Channel) -> None:
    """One read raises what interrupts it; one taken back is never raised; messages come as before."""
    late = RpcError(grpc.StatusCode.DEADLINE_EXCEEDED, "late")
    stream = await channel.open(call("Talk"))
    expire_after(stream.interrupt, 0.05)
    with pytest.raises(RpcError) as caught:
        await stream.read()
    assert caught.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
    stream.interrupt(late)
    stream.interrupt(None)
    stream.write(b"\x01")
    assert await stream.read() == b"\x01"
    assert not stream.done()
    stream.cancel()


async def test_a_lost_server_ends_every_call_as_unavailable(service: Service, tmp_path: Path) -> None:
    """Calls in flight and later ones fail at once."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((service,))
    server.add_insecure_port(f"unix:{tmp_path}/s")
    await server.start()
    channel = Channel(f"unix:{tmp_path}/s")
    calls = [asyncio.create_task(unary(channel, "Sleep", b"x")) for _ in range(5)]
    await asyncio.sleep(0.2)
    await server.stop(0)
    for error in await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 10):
        assert isinstance(error, RpcError)
        assert error.code in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
    with pytest.raises(RpcError) as caught:
        await unary(channel, "Echo", b"x")
    assert caught.value.code is grpc.StatusCode.UNAVAILABLE
    channel.close()


async def test_nobody_listening_is_unavailable(tmp_path: Path) -> None:
    """The text names the reason."""
    with pytest.raises(RpcError, match="connect") as caught:
        await unary(Channel(f"unix:{tmp_path}/nobody"), "Echo", b"x")
    assert caught.value.code is grpc.StatusCode.UNAVAILABLE


async def test_a_closed_channel_ends_its_calls(channel: Channel) -> None:
    """After close nothing is sent any more."""
    task = asyncio.create_task(unary(channel, "Sleep", b"x"))
    await asyncio.sleep(0.2)
    channel.close()
    with pytest.raises(RpcError) as caught:
        await asyncio.wait_for(task, 10)
    assert caught.value.code is grpc.StatusCode.UNAVAILABLE
    with pytest.raises(RpcError):
        await unary(channel, "Echo", b"x")


async def test_a_tcp_address_works_as_well(service: Service) -> None:
    """host:port, for a Triton on another machine."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((service,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    channel = Channel(f"127.0.0.1:{port}")
    assert await unary(channel, "Echo", b"over TCP") == b"over TCP"
    channel.close()
    await server.stop(0)
