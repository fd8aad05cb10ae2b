"""What Triton's published example programs do over gRPC, written anew: questions and inference."""

from __future__ import annotations

import asyncio
import contextlib
import queue
from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import (
    InferenceServerException,
    deserialize_bytes_tensor,
)

from tests.conformance.triton_scenarios.endpoint import (
    FIRST,
    SECOND,
    SECONDS,
    Endpoint,
    check_sums,
    check_text_sums,
    refusal,
    texts,
)


@contextlib.contextmanager
def client(endpoint: Endpoint, **options: Any) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(endpoint.grpc, **options) as connected:
        yield connected


def tensor(name: str, data: np.ndarray, datatype: str) -> triton.InferInput:
    made = triton.InferInput(name, list(data.shape), datatype)
    made.set_data_from_numpy(data)
    return made


def two() -> list[triton.InferInput]:
    """The inputs of `simple`."""
    return [tensor("INPUT0", FIRST, "INT32"), tensor("INPUT1", SECOND, "INT32")]


def wanted() -> list[triton.InferRequestedOutput]:
    return [triton.InferRequestedOutput(f"OUTPUT{i}") for i in (0, 1)]


def call(endpoint: Endpoint) -> dict[str, Any]:
    """What goes with every unary call."""
    return {"headers": endpoint.sent, "client_timeout": SECONDS}


def health_metadata(endpoint: Endpoint) -> None:
    """Live, ready, metadata of the server and of a model, its configuration, and a model that is not there."""
    sent = call(endpoint)
    with client(endpoint) as server:
        assert server.is_server_live(**sent)
        assert server.is_server_ready(**sent)
        assert server.is_model_ready("simple", **sent)
        assert not server.is_model_ready("wrong_model_name", **sent)
        about = server.get_server_metadata(**sent)
        assert about.name == "triton", f"the server calls itself {about.name}"
        assert about.version
        assert {"binary_tensor_data", "statistics", "model_repository"} <= set(about.extensions)
        model = server.get_model_metadata("simple", **sent)
        assert (model.name, list(model.versions)) == ("simple", ["1"])
        said = [(one.name, one.datatype, list(one.shape)) for one in model.inputs]
        assert said == [(f"INPUT{i}", "INT32", [-1, 16]) for i in (0, 1)]
        assert [output.name for output in model.outputs] == ["OUTPUT0", "OUTPUT1"]
        config = server.get_model_config("simple", **sent).config
        assert (config.name, config.max_batch_size, len(config.input)) == ("simple", 8, 2)
        with refusal("Request for unknown model", "wrong_model_name"):
            server.get_model_metadata("wrong_model_name", **sent)


def infer(endpoint: Endpoint) -> None:
    """With and without the outputs named, with an id and a version; statistics afterwards."""
    sent = call(endpoint)
    with client(endpoint) as server:
        result = server.infer("simple", two(), outputs=wanted(), request_id="one", **sent)
        check_sums(result)
        response = result.get_response()
        assert (response.id, response.model_name, response.model_version) == ("one", "simple", "1")
        only = server.infer("simple", two(), outputs=wanted()[:1], model_version="1", **sent)
        assert only.as_numpy("OUTPUT1") is None
        counted = server.get_inference_statistics("simple", **sent).model_stats
        assert [model.name for model in counted] == ["simple"]
        assert counted[0].inference_stats.success.count >= 2


def compression(endpoint: Endpoint) -> None:
    """Messages compressed on the way there."""
    with client(endpoint) as server:
        for algorithm in ("gzip", "deflate"):
            check_sums(server.infer("simple", two(), compression_algorithm=algorithm, **call(endpoint)))


def refused_infer(endpoint: Endpoint) -> None:
    """A model, a version and an output that are not there, an input too few, and one of another shape."""
    sent = call(endpoint)
    with client(endpoint) as server:
        with refusal("Request for unknown model", "wrong_model_name"):
            server.infer("wrong_model_name", two(), **sent)
        with refusal("version 7"):
            server.infer("simple", two(), model_version="7", **sent)
        with refusal("OUTPUT9"):
            server.infer("simple", two(), outputs=[triton.InferRequestedOutput("OUTPUT9")], **sent)
        with refusal("INPUT1"):
            server.infer("simple", two()[:1], **sent)
        with refusal("INPUT0"):
            server.infer("simple", [tensor("INPUT0", FIRST[:, :8], "INT32"), two()[1]], **sent)
        check_sums(server.infer("simple", two(), **sent))


def async_infer(endpoint: Endpoint) -> None:
    """Requests in flight together, each with a callback; one that is refused calls back with the error."""
    answers: queue.Queue[tuple[Any, Any]] = queue.Queue()

    def called_back(result: Any, error: Any) -> None:
        answers.put((result, error))

    with client(endpoint) as server:
        for number in range(8):
            server.async_infer("simple", two(), called_back, request_id=str(number), **call(endpoint))
        done = [answers.get(timeout=SECONDS) for _ in range(8)]
        assert [error for _, error in done if error] == []
        for result, _ in done:
            check_sums(result)
        assert {result.get_response().id for result, _ in done} == {str(number) for number in range(8)}
        server.async_infer("wrong_model_name", two(), called_back, **call(endpoint))
        result, error = answers.get(timeout=SECONDS)
        assert result is None
        assert isinstance(error, InferenceServerException)


def aio_infer(endpoint: Endpoint) -> None:
    """The asyncio client: infer alone and in parallel, statistics, and a model that is not there."""

    async def talk() -> None:
        sent = call(endpoint)
        async with triton_aio.InferenceServerClient(endpoint.grpc) as server:
            check_sums(await server.infer("simple", two(), outputs=wanted(), **sent))
            counted = await server.get_inference_statistics("simple", **sent)
            assert len(counted.model_stats) == 1
            with refusal("Request for unknown model"):
                await server.infer("wrong_model_name", two(), **sent)
            for result in await asyncio.gather(*(server.infer("simple", two(), **sent) for _ in range(4))):
                check_sums(result)

    asyncio.run(talk())


def custom_args(endpoint: Endpoint) -> None:
    """Channel arguments of the caller's own, a bound on message sizes among them."""
    arguments = [
        ("grpc.max_send_message_length", 1 << 20),
        ("grpc.max_receive_message_length", 1 << 20),
        ("grpc.keepalive_time_ms", (1 << 31) - 1),
        ("grpc.http2.max_pings_without_data", 2),
        ("grpc.dns_enable_srv_queries", 1),
    ]
    with client(endpoint, channel_args=arguments) as server:
        check_sums(server.infer("simple", two(), outputs=wanted(), **call(endpoint)))


def keepalive(endpoint: Endpoint) -> None:
    """Keepalive of HTTP/2 set by the caller."""
    options = triton.KeepAliveOptions(
        keepalive_time_ms=10_000, keepalive_timeout_ms=5_000, http2_max_pings_without_data=2
    )
    with client(endpoint, keepalive_options=options) as server:
        check_sums(server.infer("simple", two(), outputs=wanted(), **call(endpoint)))


def strings(endpoint: Endpoint) -> None:
    """BYTES tensors: numbers as text, and texts with every byte, empty and long ones among them."""
    sent = call(endpoint)
    with client(endpoint) as server:
        inputs = [tensor("INPUT0", texts(FIRST), "BYTES"), tensor("INPUT1", texts(SECOND), "BYTES")]
        check_text_sums(server.infer("simple_string", inputs, outputs=wanted(), **sent))
        odd = np.array([[b"", "Grüße, 世界".encode(), b"x" * 70_000, bytes(range(256))]], dtype=np.object_)
        result = server.infer("simple_identity", [tensor("INPUT0", odd, "BYTES")], **sent)
        np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), odd)


def explicit_contents(
    endpoint: Endpoint, model: str, datatype: str, field: str, numbers: list[Any]
) -> list[np.ndarray]:
    """Values in the fields that protobuf has for them instead of raw bytes; answers come as raw bytes."""
    request = service_pb2.ModelInferRequest(model_name=model)
    for name, row in (("INPUT0", numbers), ("INPUT1", numbers[1:2] * 16)):
        given = request.inputs.add(name=name, datatype=datatype, shape=[1, 16])
        getattr(given.contents, field).extend(row)
    for name in ("OUTPUT0", "OUTPUT1"):
        request.outputs.add(name=name)
    with grpc.insecure_channel(endpoint.grpc) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        response = stub.ModelInfer(request, timeout=SECONDS, metadata=tuple(endpoint.sent.items()))
    assert [(output.name, list(output.shape)) for output in response.outputs] == [
        ("OUTPUT0", [1, 16]),
        ("OUTPUT1", [1, 16]),
    ]
    return list(response.raw_output_contents)


def explicit_int(endpoint: Endpoint) -> None:
    """INT32 in `int_contents`."""
    raw = explicit_contents(endpoint, "simple", "INT32", "int_contents", list(range(16)))
    assert [np.frombuffer(one, np.int32).tolist() for one in raw] == [list(range(1, 17)), list(range(-1, 15))]


def explicit_int8(endpoint: Endpoint) -> None:
    """INT8 in `int_contents` too, which holds wider numbers."""
    raw = explicit_contents(endpoint, "simple_int8", "INT8", "int_contents", list(range(16)))
    assert [np.frombuffer(one, np.int8).tolist() for one in raw] == [list(range(1, 17)), list(range(-1, 15))]


def explicit_bytes(endpoint: Endpoint) -> None:
    """BYTES in `bytes_contents`."""
    written = [str(number).encode() for number in range(16)]
    raw = explicit_contents(endpoint, "simple_string", "BYTES", "bytes_contents", written)
    said = [[int(text) for text in deserialize_bytes_tensor(one)] for one in raw]
    assert said == [list(range(1, 17)), list(range(-1, 15))]


def reuse(endpoint: Endpoint) -> None:
    """The same input and output objects, again and again with other data."""
    inputs, outputs = two(), wanted()
    with client(endpoint) as server:
        for factor in (1, 2, 3):
            second = SECOND * factor
            inputs[1].set_data_from_numpy(second)
            check_sums(server.infer("simple", inputs, outputs=outputs, **call(endpoint)), FIRST, second)
