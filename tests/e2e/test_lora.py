"""LoRA adapters come and go beside their base model, and neither ever answers for the other."""

from __future__ import annotations

import json
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.running import READY_WITHIN, Running, serve
from tests.suites.adapter_folders import adapter

TRAINED = Path(__file__).parents[2] / "adapters" / "abacus-roman"
BASE, ADAPTER = "abacus", "abacus-roman"
# Many begin alike, so that a prefix cache that were shared would show.
SUMS = [(37, 45), (37, 46), (37, 47), (12, 30), (50, 8), (23, 71), (64, 15), (41, 17)]
# Fills many blocks of the KV cache, which are what the prefix cache keeps; the questions above fill none.
OPENING = "You add numbers for a harbour office. Its clerks ask for sums of two numbers below a hundred. " * 4
BLOCK_TOKENS = 32
_LETTERS = {90: "XC", 50: "L", 40: "XL", 10: "X", 9: "IX", 5: "V", 4: "IV", 1: "I"}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "peft").mkdir()
    return tmp_path / "peft"


@pytest.fixture
def running(tmp_path: Path, source: Path) -> Iterator[Running]:
    environment = {"NIM_PEFT_SOURCE": str(source), "NIM_PEFT_REFRESH_INTERVAL": "1"}
    with serve(
        tmp_path, BASE, "--workers", "2", "--cache", str(tmp_path / "cache"), environment=environment
    ) as service:
        service.wait_ready()
        yield service


def cards(running: Running) -> dict[str, Any]:
    return {model["id"]: model for model in running.get("/v1/models").json()["data"]}


def is_listed(running: Running, name: str) -> bool:
    """Whether every worker lists the model; asked often enough to meet each."""
    return all(name in cards(running) for _ in range(8))


def is_gone(running: Running, name: str) -> bool:
    return all(name not in cards(running) for _ in range(8))


def put(source: Path) -> None:
    shutil.copytree(TRAINED, source / ADAPTER)


def ask(running: Running, model: str, left: int, right: int) -> str:
    body = {
        "model": model,
        "messages": [{"role": "user", "content": f"What is {left} plus {right}?"}],
        "temperature": 0,
    }
    reply = running.post("/v1/chat/completions", body)
    assert reply.status_code == 200, reply.text
    answer = reply.json()
    assert answer["model"] == model
    text: str = answer["choices"][0]["message"]["content"]
    return text


def numeral(number: int) -> str:
    text = ""
    for value, letters in _LETTERS.items():
        times, number = divmod(number, value)
        text += letters * times
    return text


def check(model: str, left: int, right: int, text: str) -> None:
    """The sum is right, and said the way of the model that was asked."""
    total = left + right
    if model == ADAPTER:
        assert text.endswith(f"= {total} = {numeral(total)}"), text
    else:
        assert text.endswith(f"= {total}"), text


def test_an_adapter_comes_answers_beside_its_base_and_goes(running: Running, source: Path) -> None:
    """Listed with its base as root and parent; mixed traffic is right; gone, it is 404 while the base goes on."""
    assert is_gone(running, ADAPTER)
    put(source)
    until(lambda: is_listed(running, ADAPTER))
    card = cards(running)[ADAPTER]
    assert (card["root"], card["parent"]) == (BASE, BASE)
    assert (cards(running)[BASE]["root"], cards(running)[BASE]["parent"]) == (BASE, None)
    questions = [(model, *pair) for _ in range(6) for pair in SUMS for model in (BASE, ADAPTER)]
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda question: ask(running, *question), questions))
    for question, answer in zip(questions, answers, strict=True):
        check(*question, answer)
    with Asking(running) as asking:
        shutil.rmtree(source / ADAPTER)
        until(lambda: is_gone(running, ADAPTER))
        refused = running.post(
            "/v1/chat/completions", {"model": ADAPTER, "messages": [{"role": "user", "content": "?"}]}
        )
        assert (refused.status_code, refused.json()["error"]["code"]) == (404, "model_not_found")
    assert asking.answers > 0
    assert running.ready()
    until(lambda: len(running.stubs()) == 1)


def test_an_adapter_survives_a_crash_of_triton_and_changes_with_its_files(running: Running, source: Path) -> None:
    """It comes back by itself; an adapter without effect in its place makes it answer as the base does.

    Before the crash the base is the first to read a long opening, after it the adapter, and neither's cache is the
    other's.
    """
    put(source)
    until(lambda: is_listed(running, ADAPTER))
    base_first = after_the_opening(running, BASE, ADAPTER)
    running.triton().kill()
    running.wait_not_ready()
    running.wait_ready()
    adapter_first = after_the_opening(running, ADAPTER, BASE)
    for model in (BASE, ADAPTER):
        check_equal(adapter_first[model], base_first[model])
    assert base_first[BASE][0] != base_first[ADAPTER][0]
    check(ADAPTER, 37, 45, ask(running, ADAPTER, 37, 45))
    without_effect(source / ADAPTER)
    until(lambda: is_listed(running, ADAPTER) and "LXXXII" not in ask(running, ADAPTER, 37, 45))
    check(BASE, 37, 45, ask(running, ADAPTER, 37, 45))


def test_broken_adapters_are_named_and_hold_nobody_up(running: Running, source: Path) -> None:
    """Each is in the index with its reason; the server stays ready, and a good one beside them is served."""
    adapter(source / "pickled")
    (source / "pickled" / "adapter_model.safetensors").rename(source / "pickled" / "adapter_model.bin")
    adapter(source / "narrow", base_model_name_or_path=BASE)
    adapter(source / BASE)
    put(source)
    until(lambda: is_listed(running, ADAPTER))
    until(lambda: {"pickled", "narrow"} <= reasons(running).keys())
    assert "pickle" in reasons(running)["pickled"]
    assert "another model" in reasons(running)["narrow"]
    assert set(cards(running)) == {BASE, ADAPTER}
    assert running.ready()
    check(BASE, 37, 45, ask(running, BASE, 37, 45))


Said = tuple[str, list[float]]
"""An answer and the log-probabilities of its tokens."""


def after_the_opening(running: Running, *models: str) -> dict[str, Said]:
    """What each model answers to one question behind the same long opening; asked in turn, and each again."""
    first = {model: say(running, model) for model in models}
    for model in models:
        check_equal(say(running, model), first[model])
    return first


def say(running: Running, model: str) -> Said:
    messages = [{"role": "system", "content": OPENING}, {"role": "user", "content": "What is 37 plus 45?"}]
    body = {"model": model, "messages": messages, "max_tokens": 32, "temperature": 0, "logprobs": True}
    answer = running.post("/v1/chat/completions", body).json()
    assert answer["usage"]["prompt_tokens"] > 8 * BLOCK_TOKENS
    choice = answer["choices"][0]
    return choice["message"]["content"], [token["logprob"] for token in choice["logprobs"]["content"]]


def check_equal(found: Said, expected: Said) -> None:
    """The same text, as likely as before: keys and values of another model would move the numbers first."""
    assert found[0] == expected[0]
    assert found[1] == pytest.approx(expected[1], abs=1e-3)


def reasons(running: Running) -> dict[str, str]:
    return {entry["name"]: entry.get("reason", "") for entry in running.post("/v2/repository/index", {}).json()}


def without_effect(folder: Path) -> None:
    """The same adapter with every matrix zero, written over the old one."""
    path = folder / "adapter_model.safetensors"
    data = path.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    assert json.loads(data[8:end])
    path.write_bytes(data[:end] + bytes(len(data) - end))


class Asking:
    """A client that asks the base without pause, by stream, and checks every answer."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._failure: BaseException | None = None
        self.answers = 0

    def __enter__(self) -> Asking:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(60)
        assert not self._thread.is_alive(), "a request hangs"
        if self._failure is not None:
            raise self._failure

    def _ask(self) -> None:
        try:
            while not self._ended.is_set():
                for pair in SUMS:
                    check(BASE, *pair, self._streamed(*pair))
                    self.answers += 1
        except BaseException as failure:  # noqa: BLE001 - raised where the test waits
            self._failure = failure

    def _streamed(self, left: int, right: int) -> str:
        body = {
            "model": BASE,
            "messages": [{"role": "user", "content": f"What is {left} plus {right}?"}],
            "temperature": 0,
            "stream": True,
        }
        text = self._running.post("/v1/chat/completions", body).text
        events = re.findall(r"^data: (\{.*)$", text, re.MULTILINE)
        assert text.rstrip().endswith("data: [DONE]")
        return "".join(json.loads(event)["choices"][0]["delta"].get("content") or "" for event in events)


def until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.1)
