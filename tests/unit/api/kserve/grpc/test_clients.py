"""Triton's own Python clients, blocking and asynchronous, against the gateway's gRPC server."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tritonclient.grpc as blocking
import tritonclient.grpc.aio as asynchronous
from tritonclient.utils import InferenceServerException

from argosy.server.access.keys import StaticKeys
from tests.suites.kserve_grpc import GrpcUnderTest, in_thread

KEY = "a-key-that-is-long-enough"
ARRAYS = {
    "bool": np.array([True, False]),
    "uint8": np.array([0, 255], np.uint8),
    "int64": np.array([-(1 << 63), (1 << 63) - 1], np.int64),
    "fp16": np.array([0.5, -2], np.float16),
    "fp32": np.array([0.5, -2], np.float32),
    "fp64": np.array([1e300], np.float64),
    "bytes": np.array([b"", b"\x00\xff", "☃".encode()], np.object_),
    "matrix": np.zeros((0, 2), np.float32),
}
TYPES = {"bool": "BOOL", "uint8": "UINT8", "int64": "INT64", "fp16": "FP16", "fp32": "FP32", "fp64": "FP64"} | {
    "bytes": "BYTES",
    "matrix": "FP32",
}


def inputs(kind: Any, arrays: dict[str, Any], **options: Any) -> list[Any]:
    found = []
    for name, array in arrays.items():
        tensor = kind(name, list(array.shape), TYPES.get(name, "BYTES"))
        tensor.set_data_from_numpy(array, **options)
        found.append(tensor)
    return found


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server in a thread of its own."""
    with in_thread(tmp_path_factory.mktemp("store")) as found:
        yield found


@pytest.fixture
def client(address: str) -> Iterator[Any]:
    """Triton's blocking client."""
    with blocking.InferenceServerClient(address) as ready:
        yield ready


def test_health_and_metadata(client: Any) -> None:
    """Every question of the client has an answer it understands."""
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("echo")
    assert not client.is_model_ready("nobody")
    assert client.get_server_metadata(as_json=True)["name"] == "memory"
    assert client.get_model_metadata("echo").inputs[0].name == "text"
    assert client.get_model_config("echo").config.max_batch_size == 8
    assert client.get_inference_statistics("echo").model_stats[0].name == "echo"


@pytest.mark.parametrize("compression", [None, "identity"])
def test_every_type(client: Any, compression: str | None) -> None:
    """Arrays of every type come back as they were sent."""
    del compression
    answer = client.infer("anything", inputs(blocking.InferInput, ARRAYS), request_id="my id")
    assert answer.get_response().id == "my id"
    for name, array in ARRAYS.items():
        assert np.array_equal(answer.as_numpy(name), array), name


def test_errors_have_codes_and_words(client: Any) -> None:
    """The client's exception has the status and the message."""
    with pytest.raises(InferenceServerException) as caught:
        client.infer("nobody", inputs(blocking.InferInput, {"fp32": ARRAYS["fp32"]}))
    assert caught.value.status() == "StatusCode.NOT_FOUND"
    assert "nobody" in caught.value.message()


def test_requests_in_the_background(client: Any) -> None:
    """The client's own asynchronous calls are answered."""
    results: queue.Queue[Any] = queue.Queue()
    for _ in range(20):
        client.async_infer(
            "anything",
            inputs(blocking.InferInput, {"fp32": ARRAYS["fp32"]}),
            lambda result, error: results.put(error or result.as_numpy("fp32").tolist()),
        )
    assert [results.get(timeout=20) for _ in range(20)] == [[0.5, -2.0]] * 20


def test_a_stream_of_a_decoupled_model(client: Any) -> None:
    """The client's stream hears every piece, and the empty end it asked for."""
    results: queue.Queue[Any] = queue.Queue()
    client.start_stream(lambda result, error: results.put(error or result.get_response()))
    text = np.array([b"one two three"], np.object_)
    client.async_stream_infer(
        "parrot",
        inputs(blocking.InferInput, {"text_input": text}),
        request_id="mine",
        enable_empty_final_response=True,
    )
    pieces = []
    while True:
        piece = results.get(timeout=20)
        assert piece.id == "mine"
        pieces.append(piece.raw_output_contents[0][4:] if piece.outputs else b"")
        if piece.parameters["triton_final_response"].bool_param:
            break
    client.stop_stream()
    assert b"".join(pieces) == b"one two three"


def test_a_sequence_in_a_stream(client: Any) -> None:
    """Requests of a sequence are answered in order, with text and whole numbers as sequence ids."""
    results: queue.Queue[Any] = queue.Queue()
    client.start_stream(lambda result, error: results.put(error or result.get_response().id))
    for sequence in ("text", 17):
        for step in range(4):
            client.async_stream_infer(
                "anything",
                inputs(blocking.InferInput, {"fp32": ARRAYS["fp32"]}),
                request_id=f"{sequence} {step}",
                sequence_id=sequence,
                sequence_start=step == 0,
                sequence_end=step == 3,
            )
    heard = [results.get(timeout=20) for _ in range(8)]
    client.stop_stream()
    for sequence in ("text", "17"):
        assert [name for name in heard if name.startswith(sequence)] == [f"{sequence} {step}" for step in range(4)]


def test_a_stream_goes_on_after_an_error(client: Any) -> None:
    """An error comes through the callback, and the stream goes on."""
    results: queue.Queue[Any] = queue.Queue()
    client.start_stream(lambda result, error: results.put(error or result.get_response().id))
    array = {"fp32": ARRAYS["fp32"]}
    client.async_stream_infer("nobody", inputs(blocking.InferInput, array), request_id="bad")
    error = results.get(timeout=20)
    assert isinstance(error, InferenceServerException)
    client.async_stream_infer("anything", inputs(blocking.InferInput, array), request_id="good")
    assert results.get(timeout=20) == "good"
    client.stop_stream()


def test_classes(client: Any) -> None:
    """The client reads classes with their labels."""
    outputs = [blocking.InferRequestedOutput("fp32", class_count=2)]
    answer = client.infer("anything", inputs(blocking.InferInput, {"fp32": ARRAYS["fp32"]}), outputs=outputs)
    assert answer.as_numpy("fp32").tolist() == [b"0.500000:0:zero", b"-2.000000:1:one"]


def test_the_clients_timeout(client: Any) -> None:
    """The client's timeout ends the call in time."""
    text = np.array([[b"slow"]], np.object_)
    began = time.monotonic()
    with pytest.raises(InferenceServerException) as caught:
        client.infer(
            "echo",
            inputs(blocking.InferInput, {"text": text}),
            client_timeout=0.3,
            parameters={"delay_ms": 2000},
        )
    assert caught.value.status() == "StatusCode.DEADLINE_EXCEEDED"
    assert time.monotonic() - began < 1.5


def test_shared_memory_does_not_exist(client: Any) -> None:
    """The client is told that there is no such thing."""
    with pytest.raises(InferenceServerException) as caught:
        client.register_system_shared_memory("region", "/key", 64)
    assert caught.value.status() == "StatusCode.UNIMPLEMENTED"
    tensor = blocking.InferInput("fp32", [1], "FP32")
    tensor.set_shared_memory("region", 4)
    with pytest.raises(InferenceServerException, match="shared memory"):
        client.infer("anything", [tensor])


def test_a_key_is_sent_as_metadata(tmp_path: Path) -> None:
    """The client's headers carry the key."""
    with (
        in_thread(tmp_path, authenticator=StaticKeys({"team": KEY})) as address,
        blocking.InferenceServerClient(address) as client,
    ):
        with pytest.raises(InferenceServerException) as caught:
            client.get_server_metadata()
        assert caught.value.status() == "StatusCode.UNAUTHENTICATED"
        assert client.get_server_metadata(headers={"authorization": f"Bearer {KEY}"}).name == "memory"


async def test_the_asynchronous_client(server: GrpcUnderTest) -> None:
    """Triton's asyncio client does the same, streams included."""
    async with asynchronous.InferenceServerClient(server.address) as client:
        assert await client.is_server_ready()
        answer = await client.infer("anything", inputs(asynchronous.InferInput, ARRAYS))
        assert all(np.array_equal(answer.as_numpy(name), array) for name, array in ARRAYS.items())

        async def requests() -> Any:
            for row in range(3):
                text = np.array([f"prompt {row}".encode()], np.object_)
                yield {
                    "model_name": "parrot",
                    "inputs": inputs(asynchronous.InferInput, {"text_input": text}),
                    "request_id": str(row),
                }

        said: dict[str, bytes] = {}
        async for result, error in client.stream_infer(requests()):
            assert error is None
            response = result.get_response()
            said[response.id] = said.get(response.id, b"") + response.raw_output_contents[0][4:]
        assert said == {str(row): f"prompt {row}".encode() for row in range(3)}


async def test_leaving_the_asynchronous_clients_stream(server: GrpcUnderTest) -> None:
    """Cancelling the client's iterator frees the engine and the slot."""
    async with asynchronous.InferenceServerClient(server.address) as client:

        async def requests() -> Any:
            text = np.array([b"w " * 400], np.object_)
            yield {"model_name": "slow-parrot", "inputs": inputs(asynchronous.InferInput, {"text_input": text})}

        answers = client.stream_infer(requests())
        await anext(answers)
        answers.cancel()
        await server.settled()
    assert server.admission.lane("slow-parrot").used == 0


def test_a_key_can_ride_on_the_channel(tmp_path: Path) -> None:
    """gRPC's own call credentials work as well as the client's headers do."""
    with in_thread(tmp_path, authenticator=StaticKeys({"team": KEY})) as address:
        metadata = (("authorization", f"Bearer {KEY}"),)
        with grpc.insecure_channel(address) as channel:
            call = partial(channel.unary_unary("/inference.GRPCInferenceService/ServerMetadata"), b"", timeout=20)
            assert b"memory" in call(metadata=metadata)
