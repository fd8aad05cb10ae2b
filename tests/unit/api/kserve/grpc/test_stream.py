from __future__ import annotations

import asyncio
import contextlib
import random
import struct
import time
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from tritonclient.grpc import service_pb2 as pb

from argosy.api.kserve.grpc.exchange import GrpcOptions
from argosy.server.access.contract import Headers, Principal
from argosy.server.access.keys import StaticKeys
from tests.suites.kserve_grpc import PREFIX, GrpcUnderTest, over_memory

KEY = "a-key-that-is-long-enough"


def prompt(words: str, model: str = "parrot", **fields: Any) -> Any:
    message = pb.ModelInferRequest(model_name=model, **fields)
    message.inputs.add(name="text_input", datatype="BYTES", shape=[1]).contents.bytes_contents.append(words.encode())
    return message


def plain(words: str, delay_ms: int = 0, sequence: int = 0, **fields: Any) -> Any:
    message = pb.ModelInferRequest(model_name="echo", **fields)
    message.inputs.add(name="text", datatype="BYTES", shape=[1, 1]).contents.bytes_contents.append(words.encode())
    if delay_ms:
        message.parameters["delay_ms"].int64_param = delay_ms
    if sequence:
        message.parameters["sequence_id"].int64_param = sequence
    return message


def said(item: Any) -> str:
    """The text of one answer."""
    for output, data in zip(item.infer_response.outputs, item.infer_response.raw_output_contents, strict=True):
        if output.name in {"text", "text_output"}:
            return str(data[4:], "utf-8")
    return ""


def final(item: Any) -> bool:
    return bool(item.infer_response.parameters["triton_final_response"].bool_param)


async def converse(server: GrpcUnderTest, *requests: Any, **options: Any) -> list[Any]:
    """Send everything, then hear everything."""
    stream = server.stream(**options)
    for request in requests:
        await stream.write(request)
    await stream.done_writing()
    return [item async for item in stream]


async def rest(stream: Any) -> list[Any]:
    """What is still to come."""
    items = []
    while (item := await stream.read()) is not grpc.aio.EOF:
        items.append(item)
    return items


async def test_a_decoupled_model_answers_piece_by_piece(server: GrpcUnderTest) -> None:
    """Pieces carry the request's id, only the last is final, and joined they are the answer."""
    items = await converse(server, prompt("one two  three ☃", id="mine"))
    assert "".join(map(said, items)) == "one two  three ☃"
    assert {item.infer_response.id for item in items} == {"mine"}
    assert [final(item) for item in items] == [False] * (len(items) - 1) + [True]
    assert all(item.infer_response.outputs for item in items)
    assert items[-1].infer_response.raw_output_contents[2] == struct.pack("<i", 4)


async def test_an_empty_last_answer_comes_only_when_asked_for(
    server: GrpcUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A final answer without outputs is sent to those who asked for it, and kept from all others."""
    inner = server.client.stream

    async def with_empty_end(request: Any) -> Any:
        async for answer in inner(request):
            yield type(answer)(answer.outputs, answer.parameters, False, answer.model, answer.version)
        yield type(answer)({}, {}, True, answer.model, answer.version)

    monkeypatch.setattr(server.client, "stream", with_empty_end)
    items = await converse(server, prompt("a b"))
    assert [said(item) for item in items] == ["a", " b"]
    asking = prompt("a b", id="mine")
    asking.parameters["triton_enable_empty_final_response"].bool_param = True
    items = await converse(server, asking)
    assert [(len(item.infer_response.outputs) > 0, final(item)) for item in items] == [
        (True, False),
        (True, False),
        (False, True),
    ]
    assert items[-1].infer_response.id == "mine"


async def test_a_plain_model_answers_once(server: GrpcUnderTest) -> None:
    """A model with one answer can be streamed, many requests over one stream."""
    items = await converse(server, *(plain(f"text {row}", id=str(row)) for row in range(50)))
    assert {item.infer_response.id: said(item) for item in items} == {str(row): f"text {row}" for row in range(50)}
    assert all(final(item) for item in items)


async def test_requests_of_one_stream_run_at_once(server: GrpcUnderTest) -> None:
    """A fast request is not held up by a slow one before it."""
    items = await converse(server, prompt("w " * 20, "slow-parrot", id="slow"), plain("fast", id="fast"))
    order = [item.infer_response.id for item in items]
    assert order.index("fast") < len(order) - 5
    assert "".join(said(item) for item in items if item.infer_response.id == "slow") == "w " * 20


async def test_one_bad_request_does_not_end_the_stream(server: GrpcUnderTest) -> None:
    """Every failure is a message with the id of its request; the others are answered."""
    twice = plain("a", id="twice")
    twice.inputs.add().CopyFrom(twice.inputs[0])
    shapeless = plain("a", id="shape")
    shapeless.inputs[0].shape[0] = -1
    items = await converse(
        server, plain("first", id="ok"), prompt("a", "nobody", id="unknown"), twice, shapeless, plain("last", id="ok 2")
    )
    failures = {item.infer_response.id: item.error_message for item in items if item.error_message}
    assert sorted(failures) == ["shape", "twice", "unknown"]
    assert "does not exist" in failures["unknown"]
    assert {said(item) for item in items if not item.error_message} == {"first", "last"}
    assert len(server.client.calls) == 2


async def test_a_failure_in_the_middle(server: GrpcUnderTest) -> None:
    """Pieces that came before an engine's error stay; the error follows them."""
    items = await converse(server, prompt("a b c d e", "failing-parrot", id="mine"))
    assert "".join(said(item) for item in items[:-1]) == "a b"
    assert "told to fail" in items[-1].error_message
    assert items[-1].infer_response.id == "mine"


async def test_a_sequence_is_answered_in_order(server: GrpcUnderTest) -> None:
    """Requests of one sequence wait for one another; another sequence overtakes them."""
    requests = [plain(f"slow {row}", 150 if row == 0 else 0, sequence=7, id=f"slow {row}") for row in range(4)]
    items = await converse(server, *requests, plain("other", sequence=8, id="other"))
    order = [item.infer_response.id for item in items]
    assert [name for name in order if name != "other"] == [f"slow {row}" for row in range(4)]
    # One engine thread serves both, so the other waits for the first at most.
    assert order.index("other") <= 2
    assert [call.parameters["sequence_id"] for call in server.client.calls if "sequence_id" in call.parameters]


async def test_a_failure_does_not_break_a_sequence(server: GrpcUnderTest) -> None:
    """A request that fails gives its turn to the next."""
    bad = plain("bad", sequence=7, id="bad")
    bad.parameters["fail"].string_param = "told to"
    items = await converse(server, bad, plain("good", sequence=7, id="good"))
    assert [item.error_message or said(item) for item in items] == ["told to", "good"]


async def test_a_client_that_leaves_frees_every_slot(server: GrpcUnderTest) -> None:
    """Cancelling a stream cancels all of its requests in the engine."""
    stream = server.stream()
    await stream.write(prompt("w " * 400, "slow-parrot"))
    await stream.write(plain("a", 3000))
    assert said(await stream.read())
    began = time.monotonic()
    stream.cancel()
    await server.settled()
    assert time.monotonic() - began < 1.5
    assert {record["status"] for record in server.log} == {499}
    items = await converse(server, prompt("next", "slow-parrot"))
    assert "".join(map(said, items)) == "next"


async def test_the_deadline_of_a_stream_ends_its_requests(server: GrpcUnderTest) -> None:
    """The deadline of the call holds for every request in it."""
    began = time.monotonic()
    # The server may be heard to give up just before the client does by itself.
    with contextlib.suppress(grpc.aio.AioRpcError):
        items = await converse(server, prompt("w " * 400, "slow-parrot"), timeout=0.5)
        assert "deadline" in items[-1].error_message
    assert time.monotonic() - began < 3
    await server.settled()
    assert [record["error"] for record in server.log] == ["deadline_exceeded"]


async def test_requests_in_flight_are_bounded(tmp_path: Path) -> None:
    """Beyond the bound requests wait unread; all are answered in the end."""
    async with over_memory(tmp_path, options=GrpcOptions(stream_requests=3)) as server:
        most = 0
        stream = server.stream()
        for row in range(12):
            await stream.write(prompt("w w", "parrot", id=str(row)))
        await stream.done_writing()
        seen = set()
        async for item in stream:
            most = max(most, server.client.running)
            seen.add(item.infer_response.id)
        assert len(seen) == 12
        assert most <= 3


async def test_a_client_that_does_not_read_is_cut_off(tmp_path: Path) -> None:
    """Answers left unread end the stream; the engine's work and the slots are free again."""
    async with over_memory(tmp_path, options=GrpcOptions(send_seconds=0.5)) as server:
        stream = server.stream(timeout=None)
        data = b"x" * 2_000_000
        for row in range(30):
            message = pb.ModelInferRequest(model_name="anything", id=str(row), raw_input_contents=[data])
            message.inputs.add(name="uint8", datatype="UINT8", shape=[len(data)])
            await stream.write(message)
            if server.log:
                break
        async with asyncio.timeout(20):
            while not any(record["status"] == 408 for record in server.log):
                await asyncio.sleep(0.05)
        await server.settled()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            async for _ in stream:
                pass
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert (await converse(server, plain("others go on")))[0].infer_response.outputs


async def test_what_is_no_message_ends_the_stream(server: GrpcUnderTest) -> None:
    """Bytes that are no request are INVALID_ARGUMENT for the whole stream."""
    stream = server.channel.stream_stream(PREFIX + "ModelStreamInfer")(timeout=20)
    await stream.write(b"\xff" * 20)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stream.read()
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_stream_needs_a_key(tmp_path: Path) -> None:
    """Without a key the call itself is UNAUTHENTICATED, and it is logged."""
    async with over_memory(tmp_path, authenticator=StaticKeys({"team": KEY})) as server:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await converse(server, plain("a"))
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert [(record["status"], record["error"]) for record in server.log] == [(401, "invalid_api_key")]
        items = await converse(server, plain("a"), metadata=(("authorization", f"Bearer {KEY}"),))
        assert said(items[0]) == "a"


async def test_a_key_withdrawn_in_the_middle(tmp_path: Path) -> None:
    """Each request of a stream is let in by itself."""

    class Doorman:
        def __init__(self) -> None:
            self.keys = StaticKeys({"team": KEY})

        async def authenticate(self, headers: Headers) -> Principal:
            return await self.keys.authenticate(headers)

    doorman = Doorman()
    async with over_memory(tmp_path, authenticator=doorman) as server:
        stream = server.stream(metadata=(("authorization", f"Bearer {KEY}"),))
        await stream.write(plain("before"))
        assert said(await stream.read()) == "before"
        doorman.keys = StaticKeys({"team": "another-key-altogether"})
        await stream.write(plain("after", id="mine"))
        item = await stream.read()
        assert "not known" in item.error_message
        assert item.infer_response.id == "mine"


async def test_draining_a_stream(server: GrpcUnderTest) -> None:
    """While the server drains, running requests end well, new ones are refused one by one, and nothing hangs."""
    stream = server.stream()
    await stream.write(prompt("a b c d", "slow-parrot", id="old"))
    first = await stream.read()
    server.drain.begin()
    await stream.write(plain("too late", id="new"))
    await stream.done_writing()
    items = [first, *await rest(stream)]
    assert "shutting down" in next(item.error_message for item in items if item.infer_response.id == "new")
    assert "".join(said(item) for item in items if item.infer_response.id == "old") == "a b c d"
    assert await server.drain.finish(5) == 0


async def test_an_open_stream_does_not_hold_the_drain(server: GrpcUnderTest) -> None:
    """A stream without a request in it is no reason to wait, and ends with the server."""
    stream = server.stream()
    await stream.write(plain("a"))
    assert said(await stream.read()) == "a"
    assert await server.drain.finish(5) == 0
    await server.server.stop(0.1)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stream.read()
    assert caught.value.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}


async def test_what_outlasts_the_drain_is_told_in_the_stream(server: GrpcUnderTest) -> None:
    """A request that does not end within the drain ends with an error message."""
    stream = server.stream()
    await stream.write(prompt("w " * 400, "slow-parrot", id="mine"))
    assert said(await stream.read())
    assert await server.drain.finish(0.1) == 1
    await stream.done_writing()
    last = (await rest(stream))[-1]
    assert "shutting down" in last.error_message
    assert last.infer_response.id == "mine"


async def test_streams_are_measured(server: GrpcUnderTest) -> None:
    """Every request of a stream is counted and logged with its tokens, and generations are measured."""
    await converse(server, prompt("a b c"), prompt("d"), plain("x"))
    await server.settled()
    exposed = server.metrics.render().decode()
    assert 'argosy_requests_total{model="parrot",route="grpc ModelStreamInfer",status="200"} 2.0' in exposed
    assert 'argosy_generation_tokens_total{model="parrot"} 4.0' in exposed
    assert 'argosy_prompt_tokens_total{model="parrot"} 4.0' in exposed
    assert 'argosy_time_to_first_token_seconds_count{model="parrot"} 2.0' in exposed
    logged = [record for record in server.log if record.get("model") == "parrot"]
    assert sorted(record["output_tokens"] for record in logged) == [1, 3]


async def test_clients_that_leave_at_any_moment(server: GrpcUnderTest, caplog: pytest.LogCaptureFixture) -> None:
    """However a client goes, nothing is left of it, and nothing is taken for a defect."""
    chance = random.Random(7)  # noqa: S311 - chance decides when clients leave

    async def come_and_go() -> None:
        own = (("grpc.use_local_subchannel_pool", 1),)
        async with grpc.aio.insecure_channel(server.address, options=own) as channel:
            stream = channel.stream_stream(
                PREFIX + "ModelStreamInfer", request_serializer=pb.ModelInferRequest.SerializeToString
            )(timeout=chance.choice([0.02, 0.2, None]))
            with contextlib.suppress(grpc.aio.BaseError, grpc.RpcError, TimeoutError, asyncio.CancelledError):
                for _ in range(chance.randint(1, 5)):
                    await stream.write(chance.choice([prompt("a b c d"), plain("x"), prompt("w " * 50, "slow-parrot")]))
                for _ in range(chance.randint(0, 4)):
                    async with asyncio.timeout(0.1):
                        await stream.read()
            if chance.random() < 0.5:
                stream.cancel()

    for _ in range(3):
        await asyncio.gather(*(come_and_go() for _ in range(30)))
        await server.settled()
    assert {record["status"] for record in server.log} <= {200, 499, 504}
    assert [record for record in caplog.records if record.levelname in {"WARNING", "ERROR"}] == []
