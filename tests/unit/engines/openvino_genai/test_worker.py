"""The worker's loop, run in this process on a real pipeline that a test makes fail."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import openvino_genai
import pytest

from argosy.engines.children.channel import Channel
from argosy.engines.openvino_genai import messages, pipeline
from argosy.engines.openvino_genai.messages import Add, Forget, Grammar, Load, Ready, Report, Settings
from argosy.engines.openvino_genai.worker import Worker
from argosy.engines.workers.messages import Cancel, Finish, Step, encode
from tests.suites.tiny_models import write_tiny_gguf

_FIRST_BYTE = 2


class FaultyPipeline:
    """A real pipeline whose steps raise on demand, as they do for a grammar that does not compile."""

    def __init__(self, real: openvino_genai.ContinuousBatchingPipeline, faults: list[Exception]) -> None:
        self._real = real
        self._faults = faults

    def step(self) -> None:
        if self._faults:
            raise self._faults.pop()
        self._real.step()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


class Bench:
    """A worker on a thread, and the engine's end of its channel."""

    def __init__(self, order: Load) -> None:
        ours, theirs = socket.socketpair()
        self.channel = Channel(ours)
        self.faults: list[Exception] = []
        self.builds = 0
        self._order = order
        self._received: list[Report] = []
        self._thread = threading.Thread(target=self._work, args=(Channel(theirs),))
        self._thread.start()

    def tell(self, *commands: messages.Command) -> None:
        """Send commands in one go."""
        for command in commands:
            self.channel.send(encode(command))

    def report(self) -> Report:
        """The next report."""
        while not self._received:
            self._received += map(messages.decode_report, self.channel.receive())
        return self._received.pop(0)

    def until_finished(self, *handles: int) -> tuple[dict[int, list[int]], dict[int, str]]:
        """Tokens and reasons by handle, as soon as all the handles have ended."""
        tokens: dict[int, list[int]] = {}
        reasons: dict[int, str] = {}
        while not reasons.keys() >= set(handles):
            step = self.report()
            assert isinstance(step, Step)
            for handle, new in step.tokens.items():
                tokens.setdefault(handle, []).extend(new)
            reasons |= {finish.handle: finish.reason for finish in step.finished}
        return tokens, reasons

    def close(self) -> None:
        """Hang up; the worker ends."""
        self.channel.close()
        self._thread.join(60)
        assert not self._thread.is_alive()

    def _work(self, channel: Channel) -> None:
        try:
            Worker(channel, self._build, self._order.max_num_seqs).run()
        except (EOFError, OSError):
            channel.close()

    def _build(self) -> pipeline.Loaded:
        self.builds += 1
        loaded = pipeline.load(self._order)
        faulty = FaultyPipeline(loaded.pipeline, self.faults)
        return pipeline.Loaded(faulty, loaded.cache_tokens, loaded.eos_token_ids, loaded.precision, loaded.constraints)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    write_tiny_gguf(tmp_path / "model.gguf")
    bench = Bench(load_order(tmp_path / "model.gguf"))
    assert isinstance(bench.report(), Ready)
    yield bench
    bench.close()


def load_order(model: Path, **changes: object) -> Load:
    """What a worker is told first."""
    values: dict[str, Any] = {
        "model": str(model),
        "threads": 1,
        "precision": "f32",
        "cache_gib": 1,
        "max_num_batched_tokens": 256,
        "max_num_seqs": 2,
        "kv_cache_precision": "",
        "dynamic_split_fuse": True,
        "prefix_caching": True,
        "eos_token_ids": (),
    }
    return Load(**{**values, **changes})


def add(handle: int, max_tokens: int = 6, **changes: object) -> Add:
    """A greedy request of one token."""
    values: dict[str, Any] = {
        "max_tokens": max_tokens,
        "min_tokens": 0,
        "temperature": 0.0,
        "top_p": 1.0,
        "top_k": 0,
        "repetition_penalty": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "seed": 0,
        "ignore_eos": True,
    }
    tokens = np.array([_FIRST_BYTE + ord("a")], dtype="<i8").tobytes()
    return Add(handle, tokens, Settings(**{**values, **changes}))


def test_says_what_it_loaded(tmp_path: Path) -> None:
    """The first report has the cache's size, the end tokens of the model's files and the precision in use."""
    write_tiny_gguf(tmp_path / "model.gguf")
    bench = Bench(load_order(tmp_path / "model.gguf", precision="f16"))
    ready = bench.report()
    bench.close()
    assert isinstance(ready, Ready)
    assert ready.eos_token_ids == (1,)
    assert ready.precision in {"f16", "f32"}
    assert ready.cache_tokens > 100_000
    assert ready.cache_tokens % pipeline.BLOCK_TOKENS == 0


def test_a_step_that_raises_fails_what_runs_and_nothing_else(bench: Bench) -> None:
    """After a step that raised, running requests have failed, waiting ones are answered, the pipeline is a new one."""
    bench.faults.append(RuntimeError("the grammar does not compile"))
    bench.tell(*(add(handle) for handle in (1, 2, 3)))
    tokens, reasons = bench.until_finished(1, 2, 3)
    assert reasons in ({1: "fault", 2: "fault", 3: "length"}, {1: "fault", 2: "length", 3: "length"})
    assert len(tokens[3]) == 6
    assert bench.builds == 2


def test_a_constraint_that_breaks_the_pipeline_is_survived(bench: Bench) -> None:
    """One that reached the pipeline without having been compiled before fails what runs, and no more than that."""
    bad = Grammar("regex", "(unclosed")
    bench.tell(add(1, ignore_eos=False, constraint=bad), add(2))
    reasons = bench.until_finished(1, 2)[1]
    assert reasons[1] == "fault"
    bench.tell(add(3), add(4, ignore_eos=False, constraint=Grammar("regex", "[ab]{3}")))
    tokens, reasons = bench.until_finished(3, 4)
    assert reasons == {3: "length", 4: "stop"}
    assert {token - _FIRST_BYTE for token in tokens[4][:-1]} <= {*b"ab"}
    assert len(tokens[4]) == 4


def test_forgets_when_nothing_runs(bench: Bench) -> None:
    """Told to forget, it ends what runs, lets the rest wait, builds the pipeline anew, and goes on."""
    bench.tell(add(1, max_tokens=40), add(2, max_tokens=40))
    while not (isinstance(step := bench.report(), Step) and len(step.tokens) == 2):
        pass
    assert bench.builds == 1
    bench.tell(Forget(), add(3))
    assert bench.until_finished(1, 2, 3)[1] == dict.fromkeys((1, 2, 3), "length")
    assert bench.builds == 2
    bench.tell(Forget())
    bench.tell(add(4))
    assert bench.until_finished(4)[1] == {4: "length"}
    assert bench.builds == 3


def test_tells_log_probabilities_to_those_who_ask(bench: Bench) -> None:
    """One for each token of a request that wants them, none for its neighbour."""
    bench.tell(add(1, logprobs=True), add(2))
    told: list[float] = []
    finished: set[int] = set()
    while finished != {1, 2}:
        step = bench.report()
        assert isinstance(step, Step)
        assert step.logprobs.keys() <= {1}
        assert len(step.logprobs.get(1, [])) == len(step.tokens.get(1, []))
        told += step.logprobs.get(1, [])
        finished |= {finish.handle for finish in step.finished}
    assert len(told) == 6
    assert all(value < 0 for value in told)


def test_goes_on_after_fault_upon_fault(bench: Bench) -> None:
    """Every fault is survived."""
    for handle in range(3):
        bench.faults.append(RuntimeError("again"))
        bench.tell(add(handle))
        assert bench.until_finished(handle)[1] == {handle: "fault"}
    bench.tell(add(9))
    assert bench.until_finished(9)[1] == {9: "length"}


def test_a_refused_request_fails_alone(bench: Bench) -> None:
    """A request that the library does not take fails; its neighbour is answered."""
    bench.tell(add(1, top_p=7.0, temperature=1.0), add(2))
    assert bench.until_finished(1, 2)[1] == {1: "refused", 2: "length"}


def test_a_cancelled_request_ends_without_another_to_step_for(bench: Bench) -> None:
    """With nothing else to compute the worker goes on until the cancelled request's slot is free, then sleeps."""
    bench.tell(add(1, max_tokens=50_000))
    while not (isinstance(step := bench.report(), Step) and step.tokens):
        pass
    bench.tell(Cancel(1))
    while not (isinstance(step := bench.report(), Step) and step.finished):
        pass
    assert step.finished == [Finish(1, "cancelled")]
    assert (step.running, step.kv_cache_usage) == (0, 0.0)


def test_a_full_cache_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests that fit the cache one by one and not together all end, and the worker goes on."""
    scheduling = pipeline._scheduling

    def few_blocks(order: Load) -> openvino_genai.SchedulerConfig:
        config = scheduling(order)
        config.cache_size, config.num_kv_blocks = 0, 20
        return config

    monkeypatch.setattr(pipeline, "_scheduling", few_blocks)
    write_tiny_gguf(tmp_path / "model.gguf")
    bench = Bench(load_order(tmp_path / "model.gguf", max_num_seqs=8))
    ready = bench.report()
    assert isinstance(ready, Ready)
    assert ready.cache_tokens == 20 * pipeline.BLOCK_TOKENS
    handles = range(6)
    bench.tell(*(_prompt(handle, 300 + handle, max_tokens=200) for handle in handles))
    tokens, reasons = bench.until_finished(*handles)
    assert reasons == dict.fromkeys(handles, "length")
    assert {len(tokens[handle]) for handle in handles} == {200}
    bench.tell(add(9))
    assert bench.until_finished(9)[1] == {9: "length"}
    bench.close()


def test_ends_with_its_parent(tmp_path: Path) -> None:
    """A worker whose parent is killed ends, although it ignores what a terminal sends."""
    write_tiny_gguf(tmp_path / "model.gguf")
    script = (
        "import time\n"
        "from argosy.engines.workers.link import WorkerLink, WorkerProgram\n"
        "link = WorkerLink(WorkerProgram('', 'argosy.engines.openvino_genai.worker', None, '', bytes))\n"
        "print(link.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    with parent:
        worker = int(parent.stdout.readline())
        parent.kill()
    while _lives(worker):
        pass


def _prompt(handle: int, length: int, max_tokens: int) -> Add:
    """A greedy request whose prompt shares nothing with another handle's."""
    tokens = np.full(length, _FIRST_BYTE + handle, dtype="<i8").tobytes()
    return Add(handle, tokens, add(handle, max_tokens).settings)


def _lives(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
