from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from tritonclient.grpc import service_pb2 as pb

from argosy.api.kserve.grpc.exchange import GrpcOptions
from argosy.core.status import ModelState, ModelStatus, RuntimeState, RuntimeStatus
from argosy.server.access.keys import StaticKeys
from tests.suites.kserve_grpc import PREFIX, GrpcUnderTest, over_memory

KEYS = StaticKeys({"team": "a-key-that-is-long-enough"})


def loading(server: GrpcUnderTest, model: str) -> None:
    models = {**server.board.status.models, model: ModelStatus(model, ModelState.LOADING)}
    server.board.update(RuntimeStatus(RuntimeState.READY, models=models))


async def refusal(server: GrpcUnderTest, method: str, request: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await server.ask(method, request, pb.ModelInferResponse)
    return caught.value


async def test_live_and_ready_need_no_key(tmp_path: Path) -> None:
    """Probes are answered without a key; everything else is not."""
    async with over_memory(tmp_path, authenticator=KEYS) as server:
        assert (await server.ask("ServerLive", pb.ServerLiveRequest(), pb.ServerLiveResponse)).live
        assert (await server.ask("ServerReady", pb.ServerReadyRequest(), pb.ServerReadyResponse)).ready
        for method in ("ModelReady", "ServerMetadata", "ModelMetadata", "ModelConfig", "ModelStatistics"):
            error = await refusal(server, method, pb.ModelReadyRequest(name="echo"))
            assert error.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_ready_follows_the_models_and_the_drain(server: GrpcUnderTest) -> None:
    """The server is not ready while a model loads, nor while it drains; it lives all the time."""

    async def ready() -> bool:
        return bool((await server.ask("ServerReady", pb.ServerReadyRequest(), pb.ServerReadyResponse)).ready)

    assert await ready()
    before = server.board.status
    loading(server, "echo")
    assert not await ready()
    server.board.update(before)
    assert await ready()
    server.drain.begin()
    assert not await ready()
    assert (await server.ask("ServerLive", pb.ServerLiveRequest(), pb.ServerLiveResponse)).live


@pytest.mark.parametrize(
    ("name", "version", "ready"),
    [
        ("echo", "", True),
        ("echo", "1", True),
        ("gpt-parrot", "", True),
        ("echo", "7", False),
        ("nobody", "", False),
        ("", "", False),
    ],
)
async def test_readiness_of_a_model(server: GrpcUnderTest, name: str, version: str, ready: bool) -> None:
    """A model is ready when it takes requests; one that is not there is not, as in Triton."""
    answer = await server.ask("ModelReady", pb.ModelReadyRequest(name=name, version=version), pb.ModelReadyResponse)
    assert answer.ready is ready


async def test_readiness_of_a_model_that_loads(server: GrpcUnderTest) -> None:
    """A model that loads is not ready, and a version that is none is an invalid request."""
    loading(server, "echo")
    answer = await server.ask("ModelReady", pb.ModelReadyRequest(name="echo"), pb.ModelReadyResponse)
    assert not answer.ready
    error = await refusal(server, "ModelReady", pb.ModelReadyRequest(name="echo", version="x"))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_server_metadata(server: GrpcUnderTest) -> None:
    """The runtime's own words, without what this server keeps to itself."""
    told = await server.ask("ServerMetadata", pb.ServerMetadataRequest(), pb.ServerMetadataResponse)
    assert told.name == "memory"
    assert "classification" in told.extensions
    assert not {"system_shared_memory", "cuda_shared_memory", "trace", "logging"} & set(told.extensions)


async def test_metadata_config_and_statistics(server: GrpcUnderTest) -> None:
    """What a model is, how it runs and what it did, under the name the client used."""
    metadata = await server.ask("ModelMetadata", pb.ModelMetadataRequest(name="gpt-parrot"), pb.ModelMetadataResponse)
    assert metadata.name == "gpt-parrot"
    assert list(metadata.versions) == ["1"]
    first = metadata.inputs[0]
    assert (first.name, first.datatype, list(first.shape)) == ("text_input", "BYTES", [1])
    config = (await server.ask("ModelConfig", pb.ModelConfigRequest(name="echo"), pb.ModelConfigResponse)).config
    assert (config.name, config.max_batch_size, config.backend) == ("echo", 8, "argosy_echo")
    request = pb.ModelInferRequest(model_name="echo")
    request.inputs.add(name="text", datatype="BYTES", shape=[2, 1]).contents.bytes_contents.extend([b"a", b"b"])
    await server.infer(request)
    (found,) = (
        await server.ask("ModelStatistics", pb.ModelStatisticsRequest(name="echo"), pb.ModelStatisticsResponse)
    ).model_stats
    assert (found.name, found.version, found.inference_count, found.execution_count) == ("echo", "1", 2, 1)
    every = await server.ask("ModelStatistics", pb.ModelStatisticsRequest(), pb.ModelStatisticsResponse)
    assert len(every.model_stats) == 5


@pytest.mark.parametrize("method", ["ModelMetadata", "ModelConfig", "ModelStatistics"])
async def test_questions_about_what_is_not_there(server: GrpcUnderTest, method: str) -> None:
    """An unknown model or version is NOT_FOUND, a model that loads UNAVAILABLE, nonsense INVALID_ARGUMENT."""
    codes = [
        (await refusal(server, method, pb.ModelConfigRequest(name="nobody"))).code(),
        (await refusal(server, method, pb.ModelConfigRequest(name="echo", version="7"))).code(),
        (await refusal(server, method, pb.ModelConfigRequest(name="echo", version="../1"))).code(),
    ]
    loading(server, "echo")
    codes.append((await refusal(server, method, pb.ModelConfigRequest(name="echo"))).code())
    assert codes == [
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.UNAVAILABLE,
    ]


@pytest.mark.parametrize(
    "method",
    [
        "SystemSharedMemoryStatus",
        "SystemSharedMemoryRegister",
        "SystemSharedMemoryUnregister",
        "CudaSharedMemoryStatus",
        "CudaSharedMemoryRegister",
        "CudaSharedMemoryUnregister",
        "TraceSetting",
        "LogSettings",
        "NoSuchMethod",
    ],
)
async def test_what_does_not_exist(server: GrpcUnderTest, method: str) -> None:
    """Triton's doors to memory and files are UNIMPLEMENTED, like any method that does not exist."""
    assert (await refusal(server, method, pb.ServerLiveRequest())).code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (b"", b"\x08\x01"),
        (b"\x0a\x1einference.GRPCInferenceService", b"\x08\x01"),
    ],
)
async def test_the_standard_health_service(server: GrpcUnderTest, data: bytes, answer: bytes) -> None:
    """Kubernetes' probes hear SERVING while the server is ready and NOT_SERVING when it is not."""
    check = server.channel.unary_unary("/grpc.health.v1.Health/Check")
    assert await check(data, timeout=20) == answer
    loading(server, "echo")
    assert await check(data, timeout=20) == b"\x08\x02"


async def test_the_standard_health_service_knows_its_services(server: GrpcUnderTest) -> None:
    """A service that is not here is NOT_FOUND; noise is INVALID_ARGUMENT."""
    codes = []
    for data in (b"\x0a\x05other", b"\xff\xff"):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await server.channel.unary_unary("/grpc.health.v1.Health/Check")(data, timeout=20)
        codes.append(caught.value.code())
    assert codes == [grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT]


async def test_probes_are_not_worth_a_line(server: GrpcUnderTest, caplog: pytest.LogCaptureFixture) -> None:
    """Probes are logged at DEBUG, questions and requests at INFO."""
    await server.ask("ServerLive", pb.ServerLiveRequest(), pb.ServerLiveResponse)
    await server.ask("ServerReady", pb.ServerReadyRequest(), pb.ServerReadyResponse)
    await server.channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=20)
    await server.ask("ServerMetadata", pb.ServerMetadataRequest(), pb.ServerMetadataResponse)
    await server.settled()
    levels = [record.levelname for record in caplog.records if record.name == "argosy.access"]
    assert levels == ["DEBUG", "DEBUG", "DEBUG", "INFO"]


async def test_a_server_stops_and_frees_its_port(server: GrpcUnderTest) -> None:
    """After `stop` nobody listens; stopping again does nothing."""
    await server.server.stop(0.1)
    await server.server.stop(0.1)
    host, port = server.address.split(":")
    with pytest.raises(OSError):  # noqa: PT011 - whichever way the kernel says so
        await asyncio.open_connection(host, int(port))


async def test_a_connection_without_a_sign_of_life_is_closed(tmp_path: Path) -> None:
    """A peer that neither asks nor answers is dropped, so that the dead do not pile up."""
    async with over_memory(tmp_path, options=GrpcOptions(keep_alive_seconds=1)) as server:
        host, port = server.address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0")
        async with asyncio.timeout(30):
            heard = await reader.read(-1)
        assert heard
        writer.close()


async def test_two_servers_share_a_port(server: GrpcUnderTest, tmp_path: Path) -> None:
    """Workers listen on one port together, and each connection is answered by one of them."""
    port = int(server.address.rpartition(":")[2])
    async with over_memory(tmp_path / "second", port=port) as second:
        own = (("grpc.use_local_subchannel_pool", 1),)
        for _ in range(24):
            async with grpc.aio.insecure_channel(server.address, options=own) as channel:
                answer = await channel.unary_unary(PREFIX + "ServerMetadata")(b"", timeout=20)
                assert b"memory" in answer
        pattern = re.compile(rb'argosy_requests_total\{model="",route="grpc ServerMetadata",status="200"\} (\d+)')
        shares = [int(pattern.findall(each.metrics.render())[0]) for each in (server, second)]
        assert sum(shares) == 24
        assert all(shares)
