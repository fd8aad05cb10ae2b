"""The gateway's gRPC server over the real Triton: what tritonclient sees must be what Triton itself would say."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import numpy as np
import pytest
import pytest_asyncio
import tritonclient.grpc.aio as asynchronous
from tritonclient.grpc import service_pb2 as pb

from argosy.runtime.triton.locate import TritonInstallation
from argosy.store.entries import ModelEntry
from tests.integration.conftest import Served, serving
from tests.suites import kserve_grpc
from tests.suites.echo_models import python_model
from tests.suites.kserve_grpc import PREFIX, GrpcUnderTest
from tests.suites.runtime_contract import GENEROUS

pytestmark = [pytest.mark.triton, pytest.mark.asyncio(loop_scope="module")]

IDENTITY = """
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        return [
            pb_utils.InferenceResponse([
                pb_utils.Tensor("numbers", pb_utils.get_input_tensor_by_name(request, "numbers").as_numpy())
            ])
            for request in requests
        ]
"""
SUM = """
import numpy as np
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def initialize(self, args):
        self.sums = {}

    def execute(self, requests):
        responses = []
        for request in requests:
            name = request.correlation_id()
            flags = request.flags()
            if flags & 1:
                self.sums[name] = 0.0
            value = pb_utils.get_input_tensor_by_name(request, "numbers").as_numpy()
            self.sums[name] = self.sums.get(name, -1e9) + float(value.sum())
            responses.append(pb_utils.InferenceResponse([
                pb_utils.Tensor("numbers", np.array([[self.sums[name], 0]], np.float32))
            ]))
        return responses
"""


def entries(store: Path) -> list[ModelEntry]:
    summing = python_model(store, "summing", SUM)
    config = (summing.directory / "config.pbtxt").read_text()
    config += "\nsequence_batching { max_sequence_idle_microseconds: 60000000 }\n"
    (summing.directory / "config.pbtxt").write_text(config)
    return [*kserve_grpc.entries(store), python_model(store, "numbers", IDENTITY), summing]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both(
    installation: TritonInstallation, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[GrpcUnderTest, Served]]:
    """One Triton and one gRPC server over it."""
    place = tmp_path_factory.mktemp("grpc")
    served_entries = entries(place / "store")
    async with serving(installation, place / "run", served_entries) as served:
        status = served.supervisor.status
        async with kserve_grpc.serving(served.client, served_entries, status=status) as server:
            yield server, served


@pytest.fixture
def server(both: tuple[GrpcUnderTest, Served]) -> GrpcUnderTest:
    return both[0]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def triton(both: tuple[GrpcUnderTest, Served]) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to Triton itself."""
    async with grpc.aio.insecure_channel(both[1].supervisor.status.address) as channel:
        yield channel


def message(model: str, **arrays: np.ndarray[Any, Any]) -> Any:
    types = {"f": "FP32", "i": "INT32", "O": "BYTES"}
    tensors = []
    for name, array in arrays.items():
        tensor = asynchronous.InferInput(name, list(array.shape), types[array.dtype.kind])
        tensor.set_data_from_numpy(array)
        tensors.append(tensor)
    request = pb.ModelInferRequest(model_name=model)
    for tensor in tensors:
        request.inputs.append(tensor._get_tensor())
        request.raw_input_contents.append(tensor._get_content())
    return request


def texts(*items: str) -> Any:
    return np.array([[item.encode()] for item in items], np.object_)


@pytest.mark.parametrize(
    "request_",
    [
        message("numbers", numbers=np.array([[1, 2], [3, -0.5]], np.float32)),
        message("numbers", numbers=np.zeros((0, 2), np.float32)),
        message("echo", text=texts("one", "", "☃" * 1000)),
    ],
    ids=["numbers", "empty", "bytes"],
)
async def test_answers_are_tritons_own(server: GrpcUnderTest, triton: grpc.aio.Channel, request_: Any) -> None:
    """What comes through the gateway is, field by field, what Triton answers."""
    direct = await triton.unary_unary(PREFIX + "ModelInfer")(request_.SerializeToString(), timeout=20)
    assert await server.infer(request_) == pb.ModelInferResponse.FromString(direct)


@pytest.mark.parametrize("count", [1, 3, 100])
async def test_classes_are_tritons_own(server: GrpcUnderTest, triton: grpc.aio.Channel, count: int) -> None:
    """Classification gives what Triton gives."""
    request = message("numbers", numbers=np.array([[1, 2], [3, -0.5], [9, 2]], np.float32))
    request.outputs.add(name="numbers").parameters["classification"].int64_param = count
    direct = await triton.unary_unary(PREFIX + "ModelInfer")(request.SerializeToString(), timeout=20)
    assert await server.infer(request) == pb.ModelInferResponse.FromString(direct)


async def test_classifying_text_does_not_end_triton(server: GrpcUnderTest, both: tuple[GrpcUnderTest, Served]) -> None:
    """The request from which Triton 2.51 dies is refused, alone and in a stream."""
    _, served = both
    request = message("echo", text=texts("a"))
    request.outputs.add(name="text").parameters["classification"].int64_param = 1
    pid = served.supervisor.pid
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await server.infer(request)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    stream = server.stream()
    await stream.write(request)
    assert "cannot be classified" in (await stream.read()).error_message
    stream.cancel()
    assert served.supervisor.pid == pid
    assert (await server.infer(message("echo", text=texts("a")))).outputs


@pytest.mark.parametrize("name", ["echo", "parrot", "numbers"])
async def test_descriptions_are_tritons_own(server: GrpcUnderTest, triton: grpc.aio.Channel, name: str) -> None:
    """Metadata and configuration pass through without a loss."""
    for method, request, answer in (
        ("ModelMetadata", pb.ModelMetadataRequest(name=name), pb.ModelMetadataResponse),
        ("ModelConfig", pb.ModelConfigRequest(name=name), pb.ModelConfigResponse),
    ):
        direct = answer.FromString(await triton.unary_unary(PREFIX + method)(request.SerializeToString(), timeout=20))
        assert await server.ask(method, request, answer) == direct


async def test_the_server_and_its_statistics(server: GrpcUnderTest) -> None:
    """Triton says who it is, without the doors that stay closed, and what it counted."""
    told = await server.ask("ServerMetadata", pb.ServerMetadataRequest(), pb.ServerMetadataResponse)
    assert told.name == "triton"
    assert "sequence" in told.extensions
    assert not {"system_shared_memory", "cuda_shared_memory", "trace", "logging"} & set(told.extensions)

    async def count() -> int:
        asked = pb.ModelStatisticsRequest(name="echo")
        (found,) = (await server.ask("ModelStatistics", asked, pb.ModelStatisticsResponse)).model_stats
        return int(found.inference_count)

    before = await count()
    await server.infer(message("echo", text=texts("a", "b")))
    # Triton counts a request after it has answered it.
    async with asyncio.timeout(GENEROUS):
        while await count() != before + 2:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("sequence", ["by text", 4711, (1 << 63) - 1])
async def test_sequences_keep_their_state(server: GrpcUnderTest, sequence: str | int) -> None:
    """A stateful model hears the start, the requests in their order and the end of each sequence."""
    stream = server.stream()
    for step in range(4):
        request = message("summing", numbers=np.array([[step + 1, 0]], np.float32))
        request.id = str(step)
        parameters = request.parameters
        if isinstance(sequence, str):
            parameters["sequence_id"].string_param = sequence
        else:
            parameters["sequence_id"].int64_param = sequence
        parameters["sequence_start"].bool_param = step == 0
        parameters["sequence_end"].bool_param = step == 3
        await stream.write(request)
    await stream.done_writing()
    sums = []
    async for item in stream:
        assert not item.error_message
        sums.append(float(np.frombuffer(item.infer_response.raw_output_contents[0], np.float32)[0]))
    assert sums == [1.0, 3.0, 6.0, 10.0]


async def test_good_and_bad_requests_share_a_stream(server: GrpcUnderTest, both: tuple[GrpcUnderTest, Served]) -> None:
    """Many requests of every kind over one stream: each has its own outcome, and Triton lives."""
    pid = both[1].supervisor.pid
    stream = server.stream(timeout=60)
    kinds = {
        "good": message("echo", text=texts("good")),
        "words": message("parrot", text_input=np.array([b"one two three"], np.object_)),
        "unknown": message("nobody", text=texts("a")),
        "tensor": message("parrot", other=np.array([b"one"], np.object_)),
        "shape": message("numbers", numbers=np.zeros((1, 3), np.float32)),
    }

    async def send() -> None:
        for row in range(20):
            for kind, request in kinds.items():
                request.id = f"{kind} {row}"
                await stream.write(request)
        await stream.done_writing()

    sending = asyncio.create_task(send())
    outcomes: dict[str, str] = {}
    async for item in stream:
        if item.error_message or item.infer_response.parameters["triton_final_response"].bool_param:
            assert item.infer_response.id not in outcomes
            outcomes[item.infer_response.id] = "error" if item.error_message else "answer"
    await sending
    assert outcomes == {
        f"{kind} {row}": "answer" if kind in {"good", "words"} else "error" for kind in kinds for row in range(20)
    }
    assert both[1].supervisor.pid == pid


async def test_leaving_a_stream_frees_the_engine(server: GrpcUnderTest) -> None:
    """A client that goes away frees the only slot of the engine within a second or so."""
    stream = server.stream()
    await stream.write(message("slow-parrot", text_input=np.array([b"w " * 400], np.object_)))
    await stream.read()
    stream.cancel()
    began = time.monotonic()
    await server.settled()
    following = server.stream()
    await following.write(message("slow-parrot", text_input=np.array([b"next"], np.object_)))
    await following.done_writing()
    assert [item.infer_response.raw_output_contents[0][4:] async for item in following if item.infer_response.outputs]
    assert time.monotonic() - began < 2.5


async def test_the_official_client(server: GrpcUnderTest) -> None:
    """Triton's asyncio client infers and streams through the gateway."""
    async with asynchronous.InferenceServerClient(server.address) as client:
        tensor = asynchronous.InferInput("numbers", [1, 2], "FP32")
        tensor.set_data_from_numpy(np.array([[1, 2]], np.float32))
        answer = await client.infer("numbers", [tensor], request_id="mine", priority=0, timeout=10_000_000)
        assert answer.as_numpy("numbers").tolist() == [[1, 2]]
        assert answer.get_response().id == "mine"
