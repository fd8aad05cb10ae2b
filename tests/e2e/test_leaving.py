"""Clients that leave and operators that stop the server (reliability cases L1, L11)."""

from __future__ import annotations

import json
import re
import signal
import socket
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.running import Running, serve
from tests.e2e.wire import HOST, post, read

ENDLESS: dict[str, Any] = {"model": "abacus", "prompt": "What is 1 plus 1?", "max_tokens": 1000, "ignore_eos": True}


def running_generations(service: Running) -> float:
    """What the engine itself says it is working on."""
    text = service.get("/metrics").text
    found = re.findall(r'^argosy_engine_running\{[^}]*model="abacus"[^}]*\} ([0-9.e+]+)$', text, re.MULTILINE)
    assert found, text[-3000:]
    return float(found[0])


def gauge(service: Running, name: str) -> float:
    text = service.get("/metrics").text
    return sum(float(value) for value in re.findall(rf"^{name}(?:\{{[^}}]*\}})? ([0-9.e+]+)$", text, re.MULTILINE))


def wait_idle(service: Running) -> float:
    """Seconds until the engine has nothing to do and no slot is taken."""
    began = time.monotonic()
    while running_generations(service) or gauge(service, "argosy_engine_calls_in_flight"):
        assert time.monotonic() - began < 30, "the engine still works for a client that left"
        time.sleep(0.02)
    return time.monotonic() - began


def wait_busy(service: Running) -> None:
    deadline = time.monotonic() + 30
    while not gauge(service, "argosy_engine_calls_in_flight"):
        assert time.monotonic() < deadline, "the request never reached the engine"
        time.sleep(0.005)


def test_l1_a_client_that_closes_its_stream_frees_the_engine(bundled: Running) -> None:
    """L1: after three tokens the client is gone, and so is its generation."""
    with httpx.stream(
        "POST", bundled.url + "/v1/completions", json={**ENDLESS, "stream": True}, trust_env=False
    ) as reply:
        for number, _ in enumerate(reply.iter_lines()):
            if number == 6:
                break
    wait_idle(bundled)


def test_l1_a_client_that_closes_a_plain_request_frees_the_engine(bundled: Running) -> None:
    """L1: the same without streaming; the server must notice by itself."""
    body = json.dumps({**ENDLESS, "n": 8}).encode()
    with socket.create_connection((HOST, bundled.port), timeout=30) as connection:
        connection.sendall(post("/v1/completions", body))
        wait_busy(bundled)
    wait_idle(bundled)


def test_l1_fifty_clients_that_leave_at_once_leave_nothing(bundled: Running) -> None:
    """L1: queued, in prefill or generating, all are cleaned up, and Triton lives through it every time."""
    triton = bundled.triton().pid
    body = json.dumps({**ENDLESS, "stream": True}).encode()
    for _ in range(3):
        connections = [socket.create_connection((HOST, bundled.port), timeout=30) for _ in range(50)]
        for connection in connections:
            connection.sendall(post("/v1/completions", body))
        wait_busy(bundled)
        for connection in connections:
            connection.close()
        wait_idle(bundled)
        assert gauge(bundled, "argosy_queue_depth") == 0
    assert bundled.triton().pid == triton


def test_h12_a_deadline_ends_a_generation(bundled: Running) -> None:
    """A client's own deadline is a 504, and the engine stops."""
    reply = bundled.post("/v1/completions", {**ENDLESS, "n": 8}, headers={"x-request-timeout-ms": "60"})
    assert reply.status_code == 504
    assert reply.json()["error"]["code"] == "deadline_exceeded"
    wait_idle(bundled)


class Stream(threading.Thread):
    """One streaming client that reads to the end."""

    def __init__(self, service: Running, tokens: int) -> None:
        super().__init__(daemon=True)
        self._service = service
        self._body = {**ENDLESS, "max_tokens": tokens, "stream": True}
        self.begun = threading.Event()
        self.text = ""

    def run(self) -> None:
        with httpx.stream(
            "POST", self._service.url + "/v1/completions", json=self._body, timeout=120, trust_env=False
        ) as reply:
            for line in reply.iter_lines():
                self.text += line + "\n"
                self.begun.set()

    @property
    def complete(self) -> bool:
        return "[DONE]" in self.text

    @property
    def failed_openly(self) -> bool:
        return '"error"' in self.text and "[DONE]" not in self.text


def streams(service: Running, count: int, tokens: int) -> list[Stream]:
    clients = [Stream(service, tokens) for _ in range(count)]
    for client in clients:
        client.start()
    for client in clients:
        assert client.begun.wait(60)
    return clients


def test_l11_streams_finish_after_term(tmp_path: Path) -> None:
    """L11: twenty streams that fit into the drain all end with [DONE], and the exit code is 0."""
    with serve(tmp_path, "abacus") as service:
        service.wait_ready()
        clients = streams(service, 20, 900)
        service.family()
        service.process.send_signal(signal.SIGTERM)
        for client in clients:
            client.join(120)
        assert service.process.wait(60) == 0
        assert [client.complete for client in clients] == [True] * 20
        assert service.orphans() == []


@pytest.mark.parametrize("how", ["drain over", "second term"])
def test_l11_streams_that_cannot_finish_end_with_an_error(tmp_path: Path, how: str) -> None:
    """L11: when the drain ends first, every stream says so; none is cut silently."""
    seconds = "0.2" if how == "drain over" else "300"
    with serve(tmp_path, "abacus", "--drain-timeout", seconds) as service:
        service.wait_ready()
        clients = streams(service, 20, 1000)
        service.process.send_signal(signal.SIGTERM)
        if how == "second term":
            time.sleep(0.1)
            service.process.send_signal(signal.SIGTERM)
        for client in clients:
            client.join(120)
        assert service.process.wait(60) == 0
        assert all(client.complete or client.failed_openly for client in clients)


def test_l11_new_requests_are_refused_while_draining(tmp_path: Path) -> None:
    """L11: readiness turns 503 and a new request on a connection that is open already gets 503 as well."""
    with serve(tmp_path, "abacus") as service:
        service.wait_ready()
        with socket.create_connection((HOST, service.port), timeout=30) as connection:
            connection.sendall(b"GET /v1/health/ready HTTP/1.1\r\nhost: x\r\n\r\n")
            assert read(connection).status == 200
            clients = streams(service, 4, 1000)
            service.process.send_signal(signal.SIGTERM)
            deadline = time.monotonic() + 30
            while True:
                assert time.monotonic() < deadline
                connection.sendall(b"GET /v1/health/ready HTTP/1.1\r\nhost: x\r\n\r\n")
                reply = read(connection)
                if reply.status == 503:
                    break
            connection.sendall(post("/v1/completions", json.dumps(ENDLESS).encode()))
            refusal = read(connection)
            assert refusal.status == 503
            assert refusal.headers["connection"].lower() == "close"
            assert json.loads(refusal.body)["error"]["code"] == "server_is_draining"
        for client in clients:
            client.join(120)
        assert service.process.wait(60) == 0
