"""Processes are killed and stalled under the running service, and it heals."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.running import Running, serve

EMBED = {"model": "all-minilm-l6-v2", "input": "Does it still answer?"}


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    with serve(tmp_path, "all-minilm-l6-v2", "abacus") as service:
        service.wait_ready()
        yield service


class Traffic:
    """Clients that ask without pause and keep status and duration of every reply."""

    def __init__(self, running: Running, clients: int = 4) -> None:
        self._running = running
        self._ended = threading.Event()
        self.replies: list[tuple[float, int, float]] = []
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(clients)]

    def __enter__(self) -> Traffic:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), "a request hangs"

    def _ask(self) -> None:
        while not self._ended.is_set():
            began = time.monotonic()
            try:
                status = self._running.post("/v1/embeddings", EMBED).status_code
            except httpx.TransportError:
                status = 0
            self.replies.append((began, status, time.monotonic() - began))
            if status != 200:
                time.sleep(0.02)


def check_healed(running: Running) -> None:
    running.wait_ready()
    assert running.post("/v1/embeddings", EMBED).status_code == 200
    chat = {"model": "abacus", "messages": [{"role": "user", "content": "What is 2 plus 2?"}], "temperature": 0}
    assert running.post("/v1/chat/completions", chat).status_code == 200


def test_killing_triton_five_times_in_a_row_heals_every_time(running: Running) -> None:
    """Done-when 6: after each SIGKILL readiness flips, comes back, and every model answers."""
    before = len(running.regions())
    assert before
    for _ in range(5):
        victim = running.triton()
        victim.kill()
        running.wait_not_ready()
        check_healed(running)
        assert running.triton().pid != victim.pid
        assert len(running.regions()) == before
    assert running.stop() == 0
    assert running.regions() == set()
    assert running.orphans() == []


def test_a_killed_stub_under_traffic_heals(running: Running) -> None:
    """T1: nothing hangs, errors are of the documented kind, and the service is ready again."""
    with Traffic(running) as traffic:
        victim = running.stubs()[0]
        victim.kill()
        running.wait_not_ready()
        check_healed(running)
    statuses = {status for _, status, _ in traffic.replies}
    assert statuses <= {200, 502, 503}
    assert not victim.is_running()


def test_a_stalled_stub_under_traffic_heals(running: Running) -> None:
    """T2: a stub stopped for 1.5 s is not trusted again; the server behind it is replaced."""
    old = running.triton().pid
    with Traffic(running) as traffic:
        for stub in running.stubs():
            stub.suspend()
        time.sleep(1.5)
        for stub in running.stubs():
            stub.resume()
        running.wait_not_ready()
        check_healed(running)
    assert running.triton().pid != old
    assert {status for _, status, _ in traffic.replies} <= {200, 502, 503, 504}


def test_triton_killed_with_fifty_in_flight_answers_all_fifty(running: Running) -> None:
    """T3: each request in flight ends with a documented status, and none hangs."""
    with Traffic(running, clients=50) as traffic:
        while len(traffic.replies) < 50:
            time.sleep(0.01)
        running.triton().kill()
        running.wait_not_ready()
        check_healed(running)
    assert {status for _, status, _ in traffic.replies} <= {200, 502, 503}


def test_streams_in_flight_end_with_an_error_event_and_no_done(running: Running) -> None:
    """L3: a client always sees that its stream was cut."""
    body = {
        "model": "abacus",
        "prompt": "What is 1 plus 1?",
        "max_tokens": 900,
        "ignore_eos": True,
        "stream": True,
    }
    with httpx.stream("POST", running.url + "/v1/completions", json=body, timeout=60, trust_env=False) as reply:
        assert reply.status_code == 200
        lines = []
        for line in reply.iter_lines():
            lines.append(line)
            if len(lines) == 3:
                running.triton().kill()
    text = "\n".join(lines)
    assert '"error"' in text
    assert "[DONE]" not in text
    assert '"finish_reason":"' not in text.replace(" ", "")
    running.wait_not_ready()
    check_healed(running)


def test_a_killed_gateway_worker_comes_back(running: Running) -> None:
    """A worker is replaced, connections that came meanwhile are answered, and the models never stopped."""
    triton = running.triton().pid
    workers = [process for process in running.family() if "argosy.app.gateway" in " ".join(process.cmdline())]
    assert workers
    for worker in workers:
        worker.send_signal(signal.SIGKILL)
    check_healed(running)
    assert not any(worker.is_running() for worker in workers)
    assert running.triton().pid == triton
