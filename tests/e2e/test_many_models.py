"""Twenty models on a machine that holds five: reliability case R9, and what clients and operators see."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from argosy.core.memory import MemoryAmount
from argosy.server.control.residency.footprint import estimate
from tests.e2e.running import READY_WITHIN, Running, serve
from tests.suites.echo_models import echo_chat, echo_tensors

HOLDS = 5
QUICK = [f"quick-{number}" for number in range(14)]
SLOW = [f"slow-{number}" for number in range(5)]
WORDS = " ".join(f"w{number}" for number in range(40))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One server whose budget holds five of its twenty models; the broken one never loads."""
    folder = tmp_path_factory.mktemp("many")
    store = folder / "store"
    entries = [echo_tensors(store, name) for name in QUICK]
    entries += [echo_chat(store, name, parameters={"delay_ms": "50"}) for name in SLOW]
    entries.append(echo_tensors(store, "broken", parameters={"delay_ms": "no number"}))
    assert len(entries) == 20
    sizes = {estimate(entry) for entry in entries}
    assert len(sizes) == 1
    budget = int((HOLDS + 0.5) * sizes.pop())
    assert MemoryAmount.parse(str(budget)).size == budget
    arguments = ("--model-store", str(store), "--workers", "2", "--load-on-demand", "--memory-budget", str(budget))
    with serve(folder, *arguments, "--load-queue-timeout", "240") as service:
        service.wait_ready()
        yield service


class Watch(threading.Thread):
    """Counts the model processes, again and again."""

    def __init__(self, running: Running) -> None:
        super().__init__(daemon=True)
        self._running = running
        self._over = threading.Event()
        self.most = 0
        self.seen: set[str] = set()

    def run(self) -> None:
        while not self._over.is_set():
            names = loaded(self._running)
            self.seen |= names
            self.most = max(self.most, len(names))
            time.sleep(0.05)

    def end(self) -> None:
        self._over.set()
        self.join(30)


class Stream(threading.Thread):
    """Reads one streamed completion to its end."""

    def __init__(self, running: Running, model: str) -> None:
        super().__init__(daemon=True)
        self._url = running.url
        self._body = {"model": model, "prompt": WORDS, "max_tokens": 100, "stream": True}
        self.begun = threading.Event()
        self.text = ""

    def run(self) -> None:
        with httpx.stream(
            "POST", f"{self._url}/v1/completions", json=self._body, timeout=240, trust_env=False
        ) as reply:
            for line in reply.iter_lines():
                self.begun.set()
                self.text += line + "\n"


def loaded(running: Running) -> set[str]:
    """Models that have a process."""
    names = set()
    for stub in running.stubs():
        with contextlib.suppress(psutil.NoSuchProcess, IndexError):
            names.add(stub.cmdline()[1].split("/")[-3])
    return names


def infer(running: Running, model: str, text: str) -> httpx.Response:
    tensor = {"name": "text", "shape": [1, 1], "datatype": "BYTES", "data": [text]}
    url = f"{running.url}/v2/models/{model}/infer"
    return httpx.post(url, json={"inputs": [tensor]}, timeout=240, trust_env=False)


def metric(running: Running, name: str) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families(running.get("/metrics").text)
    return {
        tuple(sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
        if sample.name == name
    }


def index(running: Running) -> dict[str, dict[str, Any]]:
    return {entry["name"]: entry for entry in running.post("/v2/repository/index", {}).json()}


def test_a_server_whose_models_sleep_is_ready_and_says_what_each_does(running: Running) -> None:
    """It lists all of them and takes requests; each model's own readiness says that it is not in memory."""
    assert {model["id"] for model in running.get("/v1/models").json()["data"]} == {*QUICK, *SLOW, "broken"}
    assert running.get("/v2/health/ready").status_code == 200
    assert running.get(f"/m/{QUICK[-1]}/v1/health/ready").status_code == 200
    asleep = running.get(f"/v2/models/{QUICK[-1]}/ready")
    assert (asleep.status_code, asleep.json()["ready"]) == (503, False)
    assert "a request makes it load" in asleep.json()["error"]
    entry = index(running)[QUICK[-1]]
    assert (entry["state"], "a request makes it load" in entry["reason"]) == ("UNAVAILABLE", True)


def test_twenty_models_on_a_machine_that_holds_five(running: Running) -> None:
    """Many clients ask at random: every request is answered, by the model it names, and no sixth is ever in memory."""
    watch = Watch(running)
    watch.start()

    def client(seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311 - the same traffic every time
        for name in (QUICK[seed], *chance.choices(QUICK, k=2)):
            text = f"{seed} asks {name} {chance.random()}"
            answer = infer(running, name, text)
            assert answer.status_code == 200, answer.text
            assert answer.json()["model_name"] == name
            assert answer.json()["outputs"][0]["data"] == [text]

    with ThreadPoolExecutor(len(QUICK)) as pool:
        list(pool.map(client, range(len(QUICK))))
    watch.end()
    assert watch.seen == set(QUICK)
    assert watch.most <= HOLDS
    evictions = metric(running, "argosy_model_evictions_total")
    assert sum(evictions.values()) >= len(QUICK) - HOLDS
    states = metric(running, "argosy_model_state")
    assert {name for (name, state), value in states.items() if value and state == "ready"} == loaded(running)


def test_r9_streams_are_finished_before_their_models_leave(running: Running) -> None:
    """R9: all five places are at work; the sixth model waits for one of them, and no stream is cut."""
    streams = [Stream(running, name) for name in SLOW]
    for stream in streams:
        stream.start()
    for stream in streams:
        assert stream.begun.wait(READY_WITHIN)
    answer = infer(running, QUICK[0], "room")
    assert (answer.status_code, answer.json()["outputs"][0]["data"]) == (200, ["room"])
    for stream in streams:
        stream.join(READY_WITHIN)
        assert "w39" in stream.text
        assert stream.text.rstrip().endswith("data: [DONE]")


def test_metadata_wakes_a_model(running: Running) -> None:
    """Clients ask for it before their first request."""
    asleep = next(name for name in QUICK if name not in loaded(running))
    assert running.get(f"/v2/models/{asleep}").json()["name"] == asleep
    assert running.get(f"/v2/models/{asleep}/ready").status_code == 200


def test_a_model_that_does_not_load_says_why_and_others_go_on(running: Running) -> None:
    """503 with Retry-After in both dialects' words; the server stays ready."""
    failed = infer(running, "broken", "hello")
    assert failed.status_code == 503
    assert "delay_ms" in failed.json()["error"]
    assert int(failed.headers["retry-after"]) >= 1
    openai = running.post("/v1/classify", {"model": "broken", "input": "hello"})
    assert (openai.status_code, openai.json()["error"]["code"]) == (503, "model_not_ready")
    assert "delay_ms" in index(running)["broken"]["reason"]
    assert running.ready()


def test_after_a_crash_only_what_was_in_memory_comes_back(running: Running) -> None:
    """And everything is served as before."""
    for name in QUICK[:HOLDS]:
        assert infer(running, name, "hello").status_code == 200
    before = loaded(running)
    running.triton().kill()
    running.wait_not_ready()
    running.wait_ready()
    deadline = time.monotonic() + READY_WITHIN
    while loaded(running) != before:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert infer(running, QUICK[-1], "again").status_code == 200
