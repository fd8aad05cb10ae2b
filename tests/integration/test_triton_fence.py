"""What Triton lets others do: reliability case T11, the restricted protocols, the run directory."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
import textwrap
from pathlib import Path

import grpc
import grpc.aio
import psutil
import pytest
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc import service_pb2_grpc

from argosy.core.errors import AlreadyRunning
from argosy.runtime.triton.locate import TritonInstallation
from argosy.runtime.triton.supervisor import SupervisorOptions, TritonSupervisor
from tests.integration.conftest import Serve, all_regions, left_over, serving
from tests.suites.echo_models import echo_chat, echo_tensors
from tests.suites.runtime_contract import GENEROUS, ask

pytestmark = [pytest.mark.triton, pytest.mark.alone]


async def test_t11_listening_sockets_are_exactly_these(triton: Serve, tmp_path: Path) -> None:
    """T11: Triton and its models listen on loopback metrics and one private Unix socket, on nothing else."""
    async with triton([echo_tensors(tmp_path), echo_chat(tmp_path)]) as served:
        port = int(served.supervisor.metrics_url.split(":")[2].split("/")[0])
        listening = set()
        for pid in (served.supervisor.pid, *served.stubs.values()):
            for connection in psutil.Process(pid).net_connections("inet"):
                if connection.status in {psutil.CONN_LISTEN, psutil.CONN_NONE}:
                    listening.add(tuple(connection.laddr))
        assert listening == {("127.0.0.1", port)}
        sockets = [path for path in served.run_directory.iterdir() if path.is_socket()]
        assert [f"unix:{path}" for path in sockets] == [served.supervisor.status.address]
        assert stat.S_IMODE(served.run_directory.stat().st_mode) == 0o700


RESTRICTED_CALLS = {
    "SystemSharedMemoryStatus": pb.SystemSharedMemoryStatusRequest(),
    "SystemSharedMemoryRegister": pb.SystemSharedMemoryRegisterRequest(name="x", key="/x", byte_size=1),
    "SystemSharedMemoryUnregister": pb.SystemSharedMemoryUnregisterRequest(),
    "CudaSharedMemoryStatus": pb.CudaSharedMemoryStatusRequest(),
    "RepositoryModelLoad": pb.RepositoryModelLoadRequest(model_name="echo"),
    "RepositoryModelUnload": pb.RepositoryModelUnloadRequest(model_name="echo"),
    "RepositoryIndex": pb.RepositoryIndexRequest(),
    "LogSettings": pb.LogSettingsRequest(),
    "TraceSetting": pb.TraceSettingRequest(),
}


async def test_restricted_calls_need_the_secret(triton: Serve, tmp_path: Path) -> None:
    """Without the secret, nobody registers shared memory, changes models, logs or traces."""
    async with triton([echo_tensors(tmp_path)]) as served:
        async with grpc.aio.insecure_channel(served.supervisor.status.address) as channel:
            stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
            for method, message in RESTRICTED_CALLS.items():
                with pytest.raises(grpc.aio.AioRpcError, match="restricted") as caught:
                    await getattr(stub, method)(message, timeout=GENEROUS)
                assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert (await served.client.infer(ask())).outputs


async def test_server_says_what_it_is(triton: Serve, tmp_path: Path) -> None:
    """The running server's version and extensions are probed, and its metrics can be read."""
    async with triton([echo_tensors(tmp_path)]) as served:
        identity = served.supervisor.identity
        assert identity is not None
        assert identity.version.startswith("2.")
        assert "statistics" in identity.extensions
        host, port = served.supervisor.metrics_url.removeprefix("http://").split("/")[0].split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /metrics HTTP/1.0\r\n\r\n")
        text = await asyncio.wait_for(reader.read(), GENEROUS)
        writer.close()
        assert b"nv_inference_request_success" in text


async def test_second_argosy_is_refused(triton: Serve, installation: TritonInstallation, tmp_path: Path) -> None:
    """A second supervisor in the same run directory is refused by name and harms nothing."""
    entry = echo_tensors(tmp_path)
    async with triton([entry]) as served:
        second = TritonSupervisor(installation, [entry], SupervisorOptions(served.run_directory))
        with pytest.raises(AlreadyRunning, match=str(os.getpid())):
            await second.start()
        assert (await served.client.infer(ask())).outputs


async def test_long_run_directory_works(installation: TritonInstallation, tmp_path: Path) -> None:
    """A run directory deeper than a Unix socket's path may be still serves."""
    async with serving(installation, tmp_path / ("d" * 60) / ("e" * 60), [echo_tensors(tmp_path)]) as served:
        assert (await served.client.infer(ask())).outputs


ARGOSY_TO_BE_KILLED = """
import asyncio, sys
from pathlib import Path
from argosy.runtime.triton.locate import locate
from argosy.runtime.triton.supervisor import SupervisorOptions, TritonSupervisor
from argosy.store.entries import read_entry

async def main():
    supervisor = TritonSupervisor(locate(), [read_entry(Path(sys.argv[1]))], SupervisorOptions(Path(sys.argv[2])))
    await supervisor.start()
    print("serving", flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.mark.parametrize("stub_is_stopped", [False, True], ids=["healthy", "stub stopped"])
async def test_killed_argosy_takes_triton_along(
    installation: TritonInstallation, tmp_path: Path, stub_is_stopped: bool
) -> None:
    """When Argosy itself is SIGKILLed Triton dies with it, and the next start sweeps what is left."""
    entry, run_directory = echo_tensors(tmp_path), tmp_path / "run"
    arguments = [sys.executable, "-c", textwrap.dedent(ARGOSY_TO_BE_KILLED), str(entry.directory), str(run_directory)]
    argosy = await asyncio.create_subprocess_exec(*arguments, stdout=asyncio.subprocess.PIPE)
    assert argosy.stdout is not None
    assert await asyncio.wait_for(argosy.stdout.readline(), GENEROUS) == b"serving\n"
    children = psutil.Process(argosy.pid).children(recursive=True)
    stubs = [child for child in children if "stub" in child.cmdline()[0]]
    assert len(stubs) == 1
    regions = {child.cmdline()[2] for child in stubs}
    assert regions <= all_regions()
    if stub_is_stopped:
        stubs[0].suspend()
    argosy.kill()
    await asyncio.wait_for(argosy.wait(), GENEROUS)
    async with serving(installation, run_directory, [entry]) as served:
        assert regions & all_regions() == set()
        assert psutil.wait_procs(children, timeout=GENEROUS)[1] == []
        assert (await served.client.infer(ask())).outputs
    assert left_over(run_directory) == []
