"""KServe's gRPC as operators and clients meet it: a port of `argosy serve`."""

from __future__ import annotations

import queue
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

from tests.e2e.running import Running, free_port, serve

KEY = "a-key-that-is-long-enough"


def client(running: Running) -> Any:
    return triton.InferenceServerClient(f"127.0.0.1:{running.grpc_port}")


def text(name: str, *items: str, column: bool = True) -> Any:
    array = np.array([item.encode() for item in items], np.object_)
    array = array.reshape(-1, 1) if column else array
    tensor = triton.InferInput(name, list(array.shape), "BYTES")
    tensor.set_data_from_numpy(array)
    return tensor


def test_an_encoder_answers_both_dialects_alike(bundled: Running) -> None:
    """An embedding over gRPC is the one that the OpenAI route gives, to the last bit."""
    body = {"model": "all-minilm-l6-v2", "input": "A ship laden with goods."}
    served = bundled.post("/v1/embeddings", body).json()["data"][0]["embedding"]
    with client(bundled) as ready:
        assert ready.is_server_ready()
        answer = ready.infer("all-minilm-l6-v2", [text("text", body["input"])])
    assert answer.as_numpy("embedding")[0].tolist() == pytest.approx(served, abs=1e-6)


def test_a_language_model_streams(bundled: Running) -> None:
    """The bundled language model answers piece by piece."""
    results: queue.Queue[Any] = queue.Queue()
    with client(bundled) as ready:
        ready.start_stream(lambda result, error: results.put(error or result.get_response()))
        sampling = '{"max_tokens": 8, "temperature": 0}'
        inputs = [
            text("text_input", "37 plus 45 is", column=False),
            text("sampling_parameters", sampling, column=False),
        ]
        ready.async_stream_infer("abacus", inputs, request_id="mine", enable_empty_final_response=True)
        pieces = []
        while True:
            piece = results.get(timeout=60)
            assert piece.id == "mine"
            pieces.append(piece)
            if piece.parameters["triton_final_response"].bool_param:
                break
        ready.stop_stream()
    assert sum(bool(piece.outputs) for piece in pieces) > 1


def test_bad_requests_leave_the_server_well(bundled: Running) -> None:
    """H4: hostile shapes are refused, Triton is the same process, and readiness never flips."""
    triton_process = bundled.triton().pid
    with client(bundled) as ready:
        tensor = triton.InferInput("text", [16, (1 << 60) + 2], "BYTES")
        tensor._raw_content = b"\0" * 64
        with pytest.raises(InferenceServerException, match="text"):
            ready.infer("all-minilm-l6-v2", [tensor])
        outputs = [triton.InferRequestedOutput("finish_reason", class_count=1)]
        with pytest.raises(InferenceServerException):
            ready.infer("abacus", [text("text_input", "hello", column=False)], outputs=outputs)
        with pytest.raises(InferenceServerException) as caught:
            ready.register_system_shared_memory("region", "/key", 64)
        assert caught.value.status() == "StatusCode.UNIMPLEMENTED"
    assert bundled.triton().pid == triton_process
    assert bundled.ready()


def test_a_taken_port_is_refused_by_name(tmp_path: Path) -> None:
    """A port that somebody else has stops the start, and the message names the flag."""
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as other:
        port = other.getsockname()[1]
        command = [sys.executable, "-m", "argosy", "serve", "--port", str(free_port()), "--grpc-port", str(port)]
        command += ["--run-directory", str(tmp_path / "run")]
        result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode != 0
    assert f"{port}" in result.stderr
    assert "--grpc-port" in result.stderr
    assert "Traceback" not in result.stderr


def test_workers_share_the_port_and_keys_guard_it(tmp_path: Path) -> None:
    """Two workers answer on one port, for callers with a key; at the end requests in flight finish."""
    keys = tmp_path / "keys"
    keys.write_text(f"team:{KEY}\n")
    headers = {"authorization": f"Bearer {KEY}"}
    with serve(tmp_path, "minilm-sentiment", "--workers", "2", "--api-keys-file", str(keys)) as running:
        running.wait_ready()
        assert f"KServe gRPC: 127.0.0.1:{running.grpc_port}" in running.log.read_text()
        for _ in range(12):
            with client(running) as ready:
                answer = ready.infer("minilm-sentiment", [text("text", "It works.")], headers=headers)
                assert answer.as_numpy("probabilities").shape == (1, 2)
                with pytest.raises(InferenceServerException) as caught:
                    ready.get_server_metadata()
                assert caught.value.status() == "StatusCode.UNAUTHENTICATED"
        outcomes: list[str] = []
        with client(running) as ready:

            def ask() -> None:
                try:
                    ready.infer("minilm-sentiment", [text("text", *["word " * 100] * 32)], headers=headers)
                    outcomes.append("answer")
                except InferenceServerException as error:
                    outcomes.append(str(error.status()))

            threads = [threading.Thread(target=ask) for _ in range(8)]
            for thread in threads:
                thread.start()
            running.family()
            running.process.send_signal(signal.SIGTERM)
            for thread in threads:
                thread.join(60)
        assert running.process.wait(60) == 0
    assert set(outcomes) <= {"answer", "StatusCode.UNAVAILABLE"}
    assert len(outcomes) == 8
