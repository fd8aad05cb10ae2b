"""`argosy serve` as an operator meets it."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pytest

from tests.e2e.running import Running, free_port, serve, start

MODELS = Path(__file__).parents[2] / "models"


def listening(running: Running) -> set[tuple[str, int]]:
    """Every TCP address that the supervisor and its descendants listen on."""
    found = set()
    for process in [psutil.Process(running.process.pid), *running.family()]:
        for connection in process.net_connections(kind="tcp"):
            if connection.status == psutil.CONN_LISTEN:
                # gRPC writes IPv4 addresses in IPv6's form.
                found.add((connection.laddr.ip.removeprefix("::ffff:"), connection.laddr.port))
    return found


def test_only_the_gateway_and_loopback_metrics_listen(bundled: Running) -> None:
    """T11: the sockets after boot are HTTP's, gRPC's and one on loopback, nothing else, and nothing on UDP."""
    addresses = listening(bundled)
    own = {("127.0.0.1", bundled.port), ("127.0.0.1", bundled.grpc_port)}
    assert own <= addresses
    others = addresses - own
    assert len(others) == 1
    assert {ip for ip, _ in others} == {"127.0.0.1"}
    assert all(not process.net_connections(kind="udp") for process in bundled.family())


def test_the_other_socket_is_metrics_and_nothing_more(bundled: Running) -> None:
    """V1: the loopback port answers /metrics; inference and control routes have nothing behind them."""
    own = {("127.0.0.1", bundled.port), ("127.0.0.1", bundled.grpc_port)}
    ((_, port),) = listening(bundled) - own
    base = f"http://127.0.0.1:{port}"
    assert "nv_inference_request_success" in httpx.get(f"{base}/metrics", trust_env=False).text
    for path in ("/v2", "/v2/models/abacus", "/v2/repository/index", "/v2/systemsharedmemory/status"):
        # This listener of Triton's answers 200 with an empty body to any GET, and 405 to any POST.
        assert httpx.get(base + path, trust_env=False).text == ""
        assert httpx.post(base + path, content=b"[[[[", trust_env=False).status_code == 405


@pytest.mark.parametrize(
    "path",
    [
        "/v2/systemsharedmemory/status",
        "/v2/systemsharedmemory/region/x/register",
        "/v2/cudasharedmemory/status",
        "/v2/logging",
        "/v2/trace/setting",
        "//v2/systemsharedmemory/status",
        "/v2/%73ystemsharedmemory/status",
    ],
)
def test_dangerous_routes_do_not_exist(bundled: Running, path: str) -> None:
    """Shared-memory, logging and trace routes are 404 for GET and POST, however they are spelt."""
    assert bundled.get(path).status_code == 404
    reply = bundled.post(path, {})
    assert reply.status_code == 404
    assert "shm_region" not in reply.text


def test_the_run_folder_is_private(bundled: Running) -> None:
    """Sockets and logs are readable by their owner only."""
    assert bundled.run_dir.stat().st_mode & 0o077 == 0


def test_the_table_names_every_model_and_a_request_to_try(bundled: Running) -> None:
    """What is printed tells a newcomer what is served and how to ask."""
    text = bundled.log.read_text()
    for name in ("all-minilm-l6-v2", "minilm-reranker", "minilm-sentiment", "abacus"):
        assert name in text
    assert "curl" in text
    assert str(bundled.port) in text


def test_term_ends_everything_and_exits_with_0(tmp_path: Path) -> None:
    """After SIGTERM no process, socket or shared memory of this Argosy is left."""
    with serve(tmp_path, "minilm-sentiment") as running:
        running.wait_ready()
        assert running.regions()
        assert running.stop() == 0
        assert running.orphans() == []
        assert running.regions() == set()
    assert not list((tmp_path / "run").glob("**/*.sock*"))


def test_term_during_load_exits_in_time(tmp_path: Path) -> None:
    """T12: a start that is interrupted is cleaned up too."""
    with serve(tmp_path) as running:
        while not running.find("tritonserver"):
            assert running.process.poll() is None
        running.family()
        assert running.stop(30) == 0
        assert running.orphans() == []


def test_a_killed_supervisor_takes_its_processes_along(tmp_path: Path) -> None:
    """SIGKILL of the supervisor leaves no Triton, stub or worker, and the next start sweeps its shared memory."""
    with serve(tmp_path, "minilm-sentiment") as killed:
        killed.wait_ready()
        assert killed.regions()
        killed.process.kill()
        killed.process.wait()
        psutil.wait_procs(killed.orphans(), timeout=30)
        assert killed.orphans() == []
        assert killed.regions()
    with serve(tmp_path, "minilm-sentiment") as running:
        running.wait_ready()
        assert killed.regions() == set()
        assert running.stop() == 0


def refused(folder: Path, *arguments: str, environment: dict[str, str] | None = None) -> str:
    """Output of an `argosy serve` that must refuse to start."""
    running = start(folder, arguments, environment)
    try:
        code = running.process.wait(60)
    finally:
        running.process.kill()
    output = running.log.read_text()
    assert code != 0, output
    assert "Traceback" not in output
    return output


def test_a_port_in_use_is_refused(tmp_path: Path) -> None:
    """The message names the port and the flag that chooses another."""
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        output = refused(tmp_path, "--port", str(port))
    assert str(port) in output
    assert "--port" in output


def test_a_second_instance_on_one_run_folder_is_refused(tmp_path: Path) -> None:
    """Two supervisors never share a run folder; the first one goes on."""
    with serve(tmp_path, "minilm-sentiment") as running:
        running.wait_ready()
        second = tmp_path / "second"
        second.mkdir()
        output = refused(second, "minilm-sentiment", "--run-directory", str(running.run_dir))
        assert "run" in output
        assert running.ready()


def test_an_open_address_without_keys_is_refused(tmp_path: Path) -> None:
    """Off loopback means authenticated, unless the operator says otherwise."""
    output = refused(tmp_path, "--host", "0.0.0.0")
    assert "--api-keys-file" in output
    assert "--insecure" in output


def test_an_unknown_model_is_refused_with_the_names_there_are(tmp_path: Path) -> None:
    """A typing error is answered with what exists."""
    output = refused(tmp_path, "all-minilm-l6")
    assert "all-minilm-l6-v2" in output


def test_a_missing_file_of_a_named_model_is_refused_or_failed_by_name(tmp_path: Path) -> None:
    """A model whose network is gone is named, with the file; the other model serves."""
    store = tmp_path / "store"
    for name in ("all-minilm-l6-v2", "minilm-sentiment"):
        shutil.copytree(MODELS / name, store / name)
    (store / "minilm-sentiment" / "1" / "model.xml").unlink()
    with serve(tmp_path, "--model-store", str(store)) as running:
        while running.process.poll() is None and "model.xml" not in running.log.read_text():
            assert running.process.poll() is None
        reply = running.post("/v1/embeddings", {"model": "all-minilm-l6-v2", "input": "still here"})
        while reply.status_code == 503:
            reply = running.post("/v1/embeddings", {"model": "all-minilm-l6-v2", "input": "still here"})
        assert reply.status_code == 200
        ready = running.get("/v1/health/ready")
        assert ready.status_code == 503
        assert "minilm-sentiment" in ready.text


def test_a_bad_variable_is_refused_by_name(tmp_path: Path) -> None:
    """A value that cannot be used stops the start."""
    assert "ARGOSY_WORKERS" in refused(tmp_path, environment={"ARGOSY_WORKERS": "many"})


def test_a_run_directory_that_cannot_be_written_is_explained(tmp_path: Path) -> None:
    """With nowhere to put sockets and logs, the message says which flag helps."""
    command = [sys.executable, "-m", "argosy", "serve", "--port", str(free_port()), "--grpc-port", "0"]
    command += ["--run-directory", "/proc/argosy"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode != 0
    assert "--run-directory" in result.stderr + result.stdout
    assert "Traceback" not in result.stderr


def test_a_second_term_ends_a_long_drain(tmp_path: Path) -> None:
    """An operator in a hurry is obeyed."""
    with serve(tmp_path, "abacus", "--drain-timeout", "300") as running:
        running.wait_ready()
        running.family()
        running.process.send_signal(signal.SIGTERM)
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(60) == 0


def test_two_workers_answer_as_one(tmp_path: Path) -> None:
    """Requests spread over both; whichever is asked for metrics has counted all of them."""
    body = {"model": "minilm-sentiment", "input": "It does what it should."}
    with serve(tmp_path, "minilm-sentiment", "--workers", "2") as running:
        running.wait_ready()
        assert len([process for process in running.family() if "argosy.app.gateway" in process.cmdline()]) == 2
        for _ in range(30):
            assert running.post("/v1/classify", body).status_code == 200
        wanted = 'argosy_requests_total{model="minilm-sentiment",route="/v1/classify",status="200"} 30.0'
        assert all(wanted in running.get("/metrics").text for _ in range(6))
        assert running.stop() == 0
        assert running.orphans() == []
