from __future__ import annotations

import asyncio
import struct
import time
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import numpy as np
import pytest
from tritonclient.grpc import service_pb2 as pb

from argosy.api.kserve.grpc.exchange import GrpcOptions
from argosy.core.errors import EngineError
from argosy.core.status import ModelState, ModelStatus, RuntimeState, RuntimeStatus
from argosy.runtime.failures import crashed
from argosy.server.access.keys import StaticKeys
from argosy.server.admission.lane import Limits
from tests.suites.kserve_grpc import PREFIX, GrpcUnderTest, over_memory

KEY = "a-key-that-is-long-enough"


def text(*texts: str, model: str = "echo", **fields: Any) -> Any:
    message = pb.ModelInferRequest(model_name=model, **fields)
    message.inputs.add(name="text", datatype="BYTES", shape=[len(texts), 1]).contents.bytes_contents.extend(
        [item.encode() for item in texts]
    )
    return message


def raw(datatype: str, shape: list[int], data: bytes, name: str = "fp32", model: str = "anything") -> Any:
    message = pb.ModelInferRequest(model_name=model, raw_input_contents=[data])
    message.inputs.add(name=name, datatype=datatype, shape=shape)
    return message


def numbers(outputs: list[str], model: str = "anything") -> Any:
    message = raw("FP32", [2], b"\0" * 8, model=model)
    for name in outputs:
        message.outputs.add(name=name)
    return message


def twice() -> Any:
    message = raw("FP32", [1], b"\0" * 4)
    message.inputs.add(name="fp32", datatype="FP32", shape=[1])
    message.raw_input_contents.append(b"\0" * 4)
    return message


def with_parameter(name: str, **value: Any) -> Any:
    message = text("a")
    for field, content in value.items():
        setattr(message.parameters[name], field, content)
    return message


def classes(count: int) -> Any:
    message = numbers(["fp32"])
    message.outputs[0].parameters["classification"].int64_param = count
    return message


async def refusal(server: GrpcUnderTest, request: Any, **options: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await server.infer(request, **options)
    return caught.value


async def test_tensors_come_back(server: GrpcUnderTest) -> None:
    """Raw and typed, numbers and bytes, empty ones too, come back under the client's names."""
    message = raw("FP32", [2], np.array([0.5, 2], np.float32).tobytes())
    message.id = "my id"
    message.inputs.add(name="bytes", datatype="BYTES", shape=[0])
    message.raw_input_contents.append(b"")
    message.inputs.add(name="matrix", datatype="FP32", shape=[0, 2])
    message.raw_input_contents.append(b"")
    message.inputs.add(name="bf16", datatype="BF16", shape=[1])
    message.raw_input_contents.append(b"\x80\x3f")
    answer = await server.infer(message)
    assert (answer.model_name, answer.model_version, answer.id) == ("anything", "1", "my id")
    assert [(item.name, item.datatype, list(item.shape)) for item in answer.outputs] == [
        ("fp32", "FP32", [2]),
        ("bytes", "BYTES", [0]),
        ("matrix", "FP32", [0, 2]),
        ("bf16", "BF16", [1]),
    ]
    assert list(answer.raw_output_contents) == list(message.raw_input_contents)


async def test_an_alias_is_answered_under_its_name(server: GrpcUnderTest) -> None:
    """The name in the answer is the one the client used."""
    stream = server.stream()
    message = pb.ModelInferRequest(model_name="gpt-parrot")
    message.inputs.add(name="text_input", datatype="BYTES", shape=[1]).contents.bytes_contents.append(b"hello")
    await stream.write(message)
    await stream.done_writing()
    assert {item.infer_response.model_name async for item in stream} == {"gpt-parrot"}


async def test_outputs_can_be_chosen_and_classified(server: GrpcUnderTest) -> None:
    """Only what is asked for comes back, as classes with labels where they are asked for."""
    message = raw("FP32", [3], np.array([1, 9, 5], np.float32).tobytes())
    message.inputs.add(name="int8", datatype="INT8", shape=[1])
    message.raw_input_contents.append(b"\x01")
    message.outputs.add(name="fp32").parameters["classification"].int64_param = 2
    answer = await server.infer(message)
    (output,) = answer.outputs
    assert (output.name, output.datatype, list(output.shape)) == ("fp32", "BYTES", [2])
    words = [b"9.000000:1:one", b"5.000000:2:two"]
    assert answer.raw_output_contents[0] == b"".join(struct.pack("<I", len(word)) + word for word in words)


@pytest.mark.parametrize(
    ("request_", "named"),
    [
        (raw("FP32", [16, (1 << 60) + 2], b"\0" * 128, "matrix"), "matrix"),
        (raw("FP32", [-1], b""), "fp32"),
        (raw("FP32", [-2, -2], b"\0" * 16, "matrix"), "matrix"),
        (raw("FP32", [3], b"\0" * 8), "fp32"),
        (raw("FP32", [0], b"\0" * 4), "fp32"),
        (raw("FP32", [1] * 40, b"\0" * 4), "fp32"),
        (raw("BYTES", [1], b"\xff\xff\xff\x7fabc", "bytes"), "bytes"),
        (raw("BYTES", [2], b"\x01\0\0\0a", "bytes"), "bytes"),
        (raw("BYTES", [1], b"\x01\0", "bytes"), "bytes"),
        (raw("FP8", [1], b"\0"), "fp32"),
        (raw("INT32", [1], b"\0" * 4), "fp32"),
        (raw("FP32", [1, 1], b"\0" * 4), "fp32"),
        (raw("FP32", [1], b"\0" * 4, "nothing"), "nothing"),
        (twice(), "fp32"),
        (numbers(["fp32", "fp32"]), "outputs"),
        (numbers([f"o{row}" for row in range(65)]), "outputs"),
        (numbers(["nothing"]), "nothing"),
        (pb.ModelInferRequest(model_name="echo"), "text"),
        (text(*["a"] * 9), "text"),
        (text("a", model_version="one"), "version"),
        (text("a", model_version="-1"), "version"),
        (text("a", id="x" * 257), "id"),
        (classes(0), "fp32"),
        (classes(-1), "fp32"),
        (classes(1 << 40), "fp32"),
        (with_parameter("triton_x", int64_param=1), "parameters.triton_x"),
        (with_parameter("priority", string_param="high"), "parameters.priority"),
        (with_parameter("sequence_id", double_param=0.5), "parameters.sequence_id"),
        (with_parameter("sequence_start", int64_param=1), "parameters.sequence_start"),
        (with_parameter("timeout", int64_param=-1), "parameters.timeout"),
    ],
)
async def test_bad_input_never_reaches_an_engine(server: GrpcUnderTest, request_: Any, named: str) -> None:
    """What no model could answer is INVALID_ARGUMENT that names the field, and the next request is answered."""
    error = await refusal(server, request_)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert dict(error.trailing_metadata())["x-argosy-param"] == named
    # The runtime refuses what only the model's own config tells; its engines have seen nothing either.
    for model in ("anything", "echo"):
        (counted,) = (await server.client.model_statistics(model))["model_stats"]
        assert counted["execution_count"] == 0
    assert (await server.infer(text("still there"))).outputs


async def test_hostile_shapes_do_not_reach_the_runtime(server: GrpcUnderTest) -> None:
    """A tensor that contradicts itself, or too many outputs, is refused before it takes a slot."""
    for message in (
        raw("FP32", [16, (1 << 60) + 2], b"\0" * 128, "matrix"),
        raw("FP32", [-1], b""),
        raw("BYTES", [1], b"\xff\xff\xff\x7fabc", "bytes"),
        numbers(["fp32", "fp32"]),
        numbers([f"o{row}" for row in range(65)]),
    ):
        await refusal(server, message)
    assert server.client.calls == []


@pytest.mark.parametrize("data", [b"\xff" * 20, b"\x0a\x05abc", b"\x2a\x00" * 100_000], ids=["noise", "cut", "many"])
async def test_what_is_no_message(server: GrpcUnderTest, data: bytes) -> None:
    """Bytes that are no request are INVALID_ARGUMENT."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await server.raw("ModelInfer")(data, timeout=20)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert server.client.calls == []


async def test_unknown_models_and_versions(server: GrpcUnderTest) -> None:
    """Both are NOT_FOUND, and the message lists what there is."""
    error = await refusal(server, text("a", model="nobody"))
    assert error.code() is grpc.StatusCode.NOT_FOUND
    assert (error.details() or "").startswith("Request for unknown model")
    assert "parrot" in (error.details() or "")
    error = await refusal(server, text("a", model_version="7"))
    assert error.code() is grpc.StatusCode.NOT_FOUND
    assert "version 7" in (error.details() or "")


async def test_a_model_that_is_not_ready(server: GrpcUnderTest) -> None:
    """A model that loads is UNAVAILABLE with the time to wait, and its runtime is not asked."""
    models = {**server.board.status.models, "echo": ModelStatus("echo", ModelState.LOADING, "reading weights")}
    server.board.update(RuntimeStatus(RuntimeState.READY, models=models))
    error = await refusal(server, text("a"))
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert "reading weights" in (error.details() or "")
    assert int(dict(error.trailing_metadata())["retry-after"]) > 0
    assert server.client.calls == []


async def test_a_model_that_streams_refuses(server: GrpcUnderTest) -> None:
    """A model that answers in streams says so."""
    message = pb.ModelInferRequest(model_name="parrot")
    message.inputs.add(name="text_input", datatype="BYTES", shape=[1]).contents.bytes_contents.append(b"hello")
    error = await refusal(server, message)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "stream" in (error.details() or "")


async def test_an_engines_error_keeps_its_words_and_a_defect_does_not(
    server: GrpcUnderTest, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An engine's own error is INTERNAL in its words; a defect is INTERNAL in fixed words, and the log has it."""
    error = await refusal(server, with_parameter("fail", string_param="told to"))
    assert (error.code(), error.details()) == (grpc.StatusCode.INTERNAL, "told to")

    async def break_down(_request: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(server.client, "infer", break_down)
    error = await refusal(server, text("a"))
    assert error.code() is grpc.StatusCode.INTERNAL
    assert "secret" not in (error.details() or "")
    assert "secret" in caplog.text
    assert server.admission.lane("echo").used == 0


async def test_the_clients_deadline_ends_the_request(server: GrpcUnderTest) -> None:
    """A request whose deadline passes is DEADLINE_EXCEEDED in time, and its slot is free."""
    message = text("a")
    message.parameters["delay_ms"].int64_param = 5000
    began = time.monotonic()
    error = await refusal(server, message, timeout=0.3)
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert time.monotonic() - began < 2
    await server.settled()
    assert [record["status"] for record in server.log] == [504]


async def test_the_servers_own_limit_holds_without_a_deadline(tmp_path: Path) -> None:
    """A client without a deadline gets the longest the server allows."""
    async with over_memory(tmp_path, limits=Limits(max_timeout=0.2)) as server:
        message = text("a")
        message.parameters["delay_ms"].int64_param = 3000
        error = await refusal(server, message, timeout=None)
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert "deadline" in (error.details() or "")


async def test_a_client_that_leaves_frees_its_slot(server: GrpcUnderTest) -> None:
    """Cancelling a call gives its slot back at once, and the log says that the client left."""
    message = text("a")
    message.parameters["delay_ms"].int64_param = 3000
    call = server.raw("ModelInfer")(message.SerializeToString())
    async with asyncio.timeout(5):
        while not server.client.running:
            await asyncio.sleep(0.01)
    began = time.monotonic()
    call.cancel()
    await server.settled()
    assert time.monotonic() - began < 1
    assert [(record["status"], record["error"]) for record in server.log] == [(499, "request_cancelled")]


async def test_a_full_queue_is_unavailable(tmp_path: Path) -> None:
    """More requests than slots and queue hold are refused at once."""
    async with over_memory(tmp_path, limits=Limits(slots=1, queue=0)) as server:
        message = text("a")
        message.parameters["delay_ms"].int64_param = 300
        first = asyncio.create_task(server.infer(message))
        async with asyncio.timeout(5):
            while not server.client.running:
                await asyncio.sleep(0.01)
        assert (await refusal(server, text("b"))).code() is grpc.StatusCode.UNAVAILABLE
        assert (await first).outputs


@pytest.mark.parametrize(
    "metadata",
    [(), (("authorization", "Bearer wrong-key-of-some-length"),), (("authorization", f"Basic {KEY}"),)],
    ids=["none", "wrong", "scheme"],
)
async def test_without_a_key_nothing_is_read(tmp_path: Path, metadata: tuple[tuple[str, str], ...]) -> None:
    """A call without the right key is UNAUTHENTICATED, whatever it carries."""
    async with over_memory(tmp_path, authenticator=StaticKeys({"team": KEY})) as server:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await server.raw("ModelInfer")(b"\xff", timeout=20, metadata=metadata)
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert server.client.calls == []


async def test_a_stranger_is_refused_before_a_message_is_awaited(tmp_path: Path) -> None:
    """Calls without a key that never send their message keep nobody from being answered."""
    options = GrpcOptions(concurrent_calls=2)
    async with over_memory(tmp_path, authenticator=StaticKeys({"team": KEY}), options=options) as server:
        calls = [server.channel.stream_unary(PREFIX + "ModelInfer")(timeout=20) for _ in range(2)]
        for call in calls:
            assert await call.code() is grpc.StatusCode.UNAUTHENTICATED
        assert (await server.infer(text("a"), metadata=(("authorization", f"Bearer {KEY}"),))).outputs


@pytest.mark.parametrize("method", [PREFIX + "ModelInfer", "/grpc.health.v1.Health/Check"])
async def test_a_message_that_does_not_come_ends_the_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """Also on methods that need no key, and the call's place is free again."""
    monkeypatch.setattr("argosy.api.kserve.grpc.service._OPEN_SECONDS", 0.2)
    async with over_memory(tmp_path, options=GrpcOptions(concurrent_calls=1, message_seconds=0.2)) as server:
        call = server.channel.stream_unary(method)(timeout=20)
        assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert "did not arrive within 0.2 s" in (await call.details() or "")
        assert (await server.infer(text("a"))).outputs
        await server.settled()


async def test_a_call_without_a_message_is_refused(server: GrpcUnderTest) -> None:
    """It is complete and asks for nothing."""
    call = server.channel.stream_unary(PREFIX + "ModelInfer")(timeout=20)
    await call.done_writing()
    assert await call.code() is grpc.StatusCode.CANCELLED
    assert "without a message" in (await call.details() or "")


async def test_a_client_that_leaves_before_its_message_leaves_nothing(server: GrpcUnderTest) -> None:
    """The call is in the log as one that the client ended."""
    call = server.channel.stream_unary(PREFIX + "ModelInfer")(timeout=20)
    async with asyncio.timeout(10):
        while not server.drain.in_flight:
            await asyncio.sleep(0.01)
    call.cancel()
    await server.settled()
    assert [record["status"] for record in server.log] == [499]


async def test_with_a_key(tmp_path: Path) -> None:
    """A call with a key is answered, and the log has the key's name and not the key."""
    async with over_memory(tmp_path, authenticator=StaticKeys({"team": KEY})) as server:
        assert (await server.infer(text("a"), metadata=(("authorization", f"Bearer {KEY}"),))).outputs
        (record,) = server.log
        assert record["principal"] == "team"
        assert KEY not in str(record)


async def test_request_ids(server: GrpcUnderTest) -> None:
    """A well-formed x-request-id comes back, in the trailers and to the runtime; any other is replaced."""
    call = server.raw("ModelInfer")(text("a").SerializeToString(), metadata=(("x-request-id", "mine-1"),))
    await call
    assert dict(await call.trailing_metadata())["x-request-id"] == "mine-1"
    assert server.client.calls[-1].request_id == "mine-1"
    call = server.raw("ModelInfer")(text("a").SerializeToString(), metadata=(("x-request-id", "not an id!"),))
    await call
    replaced = dict(await call.trailing_metadata())["x-request-id"]
    assert replaced not in {"", "not an id!"}
    error = await refusal(server, text("a", model="nobody"), metadata=(("x-request-id", "mine-2"),))
    assert dict(error.trailing_metadata())["x-request-id"] == "mine-2"


async def test_requests_are_counted_and_logged(server: GrpcUnderTest) -> None:
    """Metrics and access log know the method, the model and the outcome."""
    await server.infer(text("a"))
    await refusal(server, text("a", model="nobody"))
    await server.settled()
    exposed = server.metrics.render().decode()
    assert 'argosy_requests_total{model="echo",route="grpc ModelInfer",status="200"} 1.0' in exposed
    assert 'argosy_requests_total{model="",route="grpc ModelInfer",status="404"} 1.0' in exposed
    assert [(record["path"], record["status"], record["client"]) for record in server.log] == [
        (f"{PREFIX}ModelInfer", 200, "127.0.0.1"),
        (f"{PREFIX}ModelInfer", 404, "127.0.0.1"),
    ]


async def test_draining(server: GrpcUnderTest) -> None:
    """While the server drains new requests are UNAVAILABLE, the running one ends, and the drain waits for it."""
    message = text("a")
    message.parameters["delay_ms"].int64_param = 300
    running = asyncio.create_task(server.infer(message))
    async with asyncio.timeout(5):
        while not server.client.running:
            await asyncio.sleep(0.01)
    server.drain.begin()
    error = await refusal(server, text("b"))
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert "shutting down" in (error.details() or "")
    assert await server.drain.finish(10) == 0
    assert (await running).outputs


async def test_what_outlasts_the_drain_is_told(server: GrpcUnderTest) -> None:
    """A request that does not end within the drain gets an error and frees its slot."""
    message = text("a")
    message.parameters["delay_ms"].int64_param = 3000
    running = asyncio.create_task(refusal(server, message))
    async with asyncio.timeout(5):
        while not server.client.running:
            await asyncio.sleep(0.01)
    assert await server.drain.finish(0.1) == 1
    error = await running
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert "shutting down" in (error.details() or "")
    await server.settled()


async def test_messages_beyond_the_limit(tmp_path: Path) -> None:
    """A message over the limit is RESOURCE_EXHAUSTED; one below it is answered."""
    async with over_memory(tmp_path, options=GrpcOptions(max_message_bytes=10_000)) as server:
        assert (await server.infer(raw("UINT8", [9000], b"\0" * 9000, "uint8"))).outputs
        error = await refusal(server, raw("UINT8", [20_000], b"\0" * 20_000, "uint8"))
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert len(server.client.calls) == 1


async def test_packed_messages_are_refused(server: GrpcUnderTest) -> None:
    """A compressed message is refused unseen: what it unpacks to has no limit."""
    request = raw("UINT8", [1 << 20], b"\0" * (1 << 20), "uint8").SerializeToString()
    async with grpc.aio.insecure_channel(server.address, compression=grpc.Compression.Gzip) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary(PREFIX + "ModelInfer")(request, timeout=20)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert server.client.calls == []


async def test_metadata_beyond_the_limit(server: GrpcUnderTest) -> None:
    """Metadata over the limit is refused, and the server goes on."""
    error = await refusal(server, text("a"), metadata=tuple((f"x-{row}", "v" * 1000) for row in range(60)))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (await server.infer(text("a"))).outputs


async def test_calls_beyond_the_limit(tmp_path: Path) -> None:
    """More calls at once than the process takes are RESOURCE_EXHAUSTED at once."""
    async with over_memory(tmp_path, options=GrpcOptions(concurrent_calls=2)) as server:
        message = text("a")
        message.parameters["delay_ms"].int64_param = 1000
        running = [asyncio.create_task(server.infer(message)) for _ in range(2)]
        async with asyncio.timeout(5):
            while server.client.running < 2:
                await asyncio.sleep(0.01)
        own = (("grpc.use_local_subchannel_pool", 1),)
        async with grpc.aio.insecure_channel(server.address, options=own) as another:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await another.unary_unary(PREFIX + "ModelInfer")(text("b").SerializeToString(), timeout=20)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert all(answer.outputs for answer in await asyncio.gather(*running))


async def test_an_engine_that_crashes_is_unavailable(server: GrpcUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Text of the layer below stays below; the client may send it again."""

    async def crash(request: Any) -> None:
        raise crashed(request.model) from EngineError("segfault at 0x0")

    monkeypatch.setattr(server.client, "infer", crash)
    error = await refusal(server, text("a"))
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert "segfault" not in (error.details() or "")
    assert dict(error.trailing_metadata())["x-argosy-error"] == "engine_crashed"
