"""Models are loaded and unloaded while the server answers: reliability cases T6 and V4, and what survives a crash."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.e2e.running import READY_WITHIN, Running, serve
from tests.suites.echo_models import echo_chat

WORDS = " ".join(f"w{number}" for number in range(60))
WORKERS = 2


@pytest.fixture
def store(tmp_path: Path) -> Path:
    folder = tmp_path / "store"
    echo_chat(folder, "parrot")
    echo_chat(folder, "slow", parameters={"delay_ms": "40"})
    return folder


@pytest.fixture
def running(tmp_path: Path, store: Path) -> Iterator[Running]:
    with serve(tmp_path, "--model-store", str(store), "--workers", str(WORKERS)) as service:
        service.wait_ready()
        yield service


def listed(running: Running) -> list[set[str]]:
    """What is listed, asked often enough to meet every worker."""
    return [{model["id"] for model in running.get("/v1/models").json()["data"]} for _ in range(4 * WORKERS)]


def index(running: Running) -> dict[str, dict[str, Any]]:
    return {entry["name"]: entry for entry in running.post("/v2/repository/index", {}).json()}


def order(running: Running, verb: str, model: str, **options: Any) -> httpx.Response:
    return running.post(f"/v2/repository/models/{model}/{verb}", {}, **options)


def ask(running: Running, model: str, prompt: str = "a b") -> httpx.Response:
    return running.post("/v1/completions", {"model": model, "prompt": prompt, "max_tokens": 100})


class Stream(threading.Thread):
    """Reads one streamed completion to its end."""

    def __init__(self, running: Running, model: str) -> None:
        super().__init__(daemon=True)
        self._url = running.url
        self._body = {"model": model, "prompt": WORDS, "max_tokens": 100, "stream": True}
        self.begun = threading.Event()
        self.text = ""

    def run(self) -> None:
        with httpx.stream("POST", f"{self._url}/v1/completions", json=self._body, timeout=60, trust_env=False) as reply:
            for line in reply.iter_lines():
                self.begun.set()
                self.text += line + "\n"


def test_an_unloaded_model_is_unlisted_at_once_and_its_streams_end_well(running: Running) -> None:
    """New requests get 404, the one in flight all of its answer; readiness and the other model stay."""
    stream = Stream(running, "slow")
    stream.start()
    assert stream.begun.wait(30)
    with ThreadPoolExecutor(1) as pool:
        unloading = pool.submit(order, running, "unload", "slow")
        until(lambda: all("slow" not in names for names in listed(running)))
        refused = ask(running, "slow")
        assert (refused.status_code, refused.json()["error"]["code"]) == (404, "model_not_found")
        assert stream.is_alive()
        assert not unloading.done()
        assert unloading.result(60).status_code == 200
    stream.join(30)
    assert "w59" in stream.text
    assert stream.text.rstrip().endswith("data: [DONE]")
    assert running.ready()
    assert ask(running, "parrot").status_code == 200
    assert {stub.cmdline()[1].split("/")[-3] for stub in running.stubs()} == {"parrot"}
    assert index(running)["slow"]["state"] == "UNAVAILABLE"


def test_a_model_put_into_the_store_is_served_by_every_worker_after_its_load(running: Running, store: Path) -> None:
    """When the order is answered, no worker says that the model does not exist."""
    echo_chat(store, "second")
    assert index(running)["second"]["state"] == "UNAVAILABLE"
    assert order(running, "load", "second").status_code == 200
    assert {ask(running, "second").status_code for _ in range(4 * WORKERS)} == {200}
    assert all("second" in names for names in listed(running))
    assert index(running)["second"]["state"] == "READY"


def test_what_was_ordered_survives_a_crash_of_triton(running: Running, store: Path) -> None:
    """What was unloaded stays so, and what was loaded comes back."""
    echo_chat(store, "second")
    order(running, "load", "second").raise_for_status()
    order(running, "unload", "slow").raise_for_status()
    running.triton().kill()
    running.wait_not_ready()
    running.wait_ready()
    assert ask(running, "second").status_code == 200
    assert ask(running, "slow").status_code == 404
    states = {name: entry["state"] for name, entry in index(running).items()}
    assert states == {"parrot": "READY", "second": "READY", "slow": "UNAVAILABLE"}


def test_a_worker_that_starts_again_serves_the_current_models(running: Running, store: Path) -> None:
    """Not those of the start, even when the entry of one of those is gone from the disk."""
    echo_chat(store, "second")
    order(running, "load", "second").raise_for_status()
    order(running, "unload", "slow").raise_for_status()
    (store / "slow" / "argosy.yaml").unlink()
    before = {worker.pid for worker in gateways(running)}
    for worker in gateways(running):
        os.kill(worker.pid, signal.SIGKILL)
    until(lambda: len({worker.pid for worker in gateways(running)} - before) == WORKERS)
    until(running.ready)
    assert all(names == {"parrot", "second"} for names in listed(running))


def test_a_model_that_does_not_load_is_a_400_with_the_reason(running: Running, store: Path) -> None:
    """As Triton answers it; the server stays ready and the index remembers."""
    echo_chat(store, "broken", parameters={"delay_ms": "no number"})
    refused = order(running, "load", "broken")
    assert refused.status_code == 400
    assert "delay_ms" in refused.json()["error"]
    assert "delay_ms" in index(running)["broken"]["reason"]
    assert running.ready()
    assert all("broken" not in names for names in listed(running))


def test_v4_a_name_that_is_no_model_is_refused_and_nothing_is_written(running: Running, store: Path) -> None:
    """V4: 400 or 404, and store and server are as they were."""
    before = sorted(store.rglob("*"))
    for name in ("nobody", "Parrot", "..%2fparrot", "x" * 65, "a%00b", "%2e%2e"):
        assert {order(running, verb, name).status_code for verb in ("load", "unload")} <= {400, 404}, name
    assert sorted(store.rglob("*")) == before
    assert set(index(running)) == {"parrot", "slow"}


def test_t6_many_orders_at_once_end_as_the_last_one_said(running: Running) -> None:
    """T6: loads and unloads of one model from many clients; index, listing and answers agree at the end."""
    with ThreadPoolExecutor(16) as pool:
        verbs = ["load" if number % 2 else "unload" for number in range(60)]
        statuses = {reply.status_code for reply in pool.map(lambda verb: order(running, verb, "parrot"), verbs)}
    assert statuses <= {200, 503}
    order(running, "unload", "parrot").raise_for_status()
    assert index(running)["parrot"]["state"] == "UNAVAILABLE"
    assert all("parrot" not in names for names in listed(running))
    order(running, "load", "parrot").raise_for_status()
    assert index(running)["parrot"]["state"] == "READY"
    assert ask(running, "parrot").status_code == 200


def test_only_operators_may_load_and_unload(tmp_path: Path, store: Path) -> None:
    """A key without the mark asks models and changes nothing."""
    keys = {"operator": secrets.token_hex(16), "user": secrets.token_hex(16)}
    (tmp_path / "keys").write_text(f"ann@operator:{keys['operator']}\nbob:{keys['user']}\n")
    arguments = ("--model-store", str(store), "--api-keys-file", str(tmp_path / "keys"))
    with serve(tmp_path, *arguments) as running:
        running.wait_ready()
        headers = {name: {"authorization": f"Bearer {key}"} for name, key in keys.items()}
        assert order(running, "unload", "slow").status_code == 401
        assert order(running, "unload", "slow", headers=headers["user"]).status_code == 403
        assert order(running, "unload", "slow", headers=headers["operator"]).status_code == 200


def gateways(running: Running) -> list[psutil.Process]:
    found = []
    for child in running.family():
        with contextlib.suppress(psutil.NoSuchProcess):
            if "argosy.app.gateway" in child.cmdline():
                found.append(child)
    return found


def until(reached: Any) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.05)
