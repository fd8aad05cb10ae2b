"""The guard compiles constraints apart, says which are good, and survives those that are not."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from argosy.core.errors import ArgosyError, EngineError, InvalidRequest, Overloaded
from argosy.engines.grammar.guard import GrammarGuard, Limits
from argosy.engines.grammar.messages import Grammar, Prepare
from argosy.engines.openvino_genai.grammar.trial import plain_reason
from tests.suites.engine_contract import wait_until
from tests.unit.engines.openvino_genai.abacus import entry

TRIAL = "argosy.engines.openvino_genai.grammar.trial"
GOOD = Grammar("regex", "[0-9]+")
SLOW = Grammar("regex", "((a{1,300}){1,300}){1,300}")
PREPARE = Prepare(str(entry().newest / "openvino_model.xml"), (2,), 1 << 30)
PATIENT = Limits(seconds=60.0, budget_ms=60_000)


@dataclass
class Verdicts:
    """A guard, and what it says."""

    guard: GrammarGuard
    forgotten: threading.Event = field(default_factory=threading.Event)

    def of(self, grammar: Grammar) -> ArgosyError | None:
        """What the guard says of one constraint."""
        told: queue.SimpleQueue[ArgosyError | None] = queue.SimpleQueue()
        self.guard.ask(grammar, lambda: True, told.put)
        return told.get(timeout=120)


def verdicts(limits: Limits = PATIENT, prepare: Prepare = PREPARE) -> Verdicts:
    """A guard that was not asked yet."""
    forgotten = threading.Event()
    return Verdicts(GrammarGuard(TRIAL, prepare, limits, forgotten.set), forgotten)


@pytest.fixture
def guard() -> Iterator[Verdicts]:
    made = verdicts()
    yield made
    made.guard.stop()


def test_starts_with_the_first_constraint(guard: Verdicts) -> None:
    """Nothing runs before, and what is known to be good needs no second look."""
    assert guard.guard.trial_pid is None
    assert not guard.guard.knows(GOOD)
    assert guard.of(GOOD) is None
    assert guard.guard.trial_pid is not None
    assert guard.guard.knows(GOOD)


def test_a_bad_one_does_not_harm_the_next(guard: Verdicts) -> None:
    """After one that does not compile the same process compiles the next; the refusal is remembered."""
    assert guard.of(GOOD) is None
    process = guard.guard.trial_pid
    bad = Grammar("json_schema", '{"type": "array", "items": {"type": "string", "pattern": "("}}')
    refusal = guard.of(bad)
    assert isinstance(refusal, InvalidRequest)
    assert refusal.param == "constraint"
    assert "parenthesis" in refusal.message
    with pytest.raises(InvalidRequest, match="parenthesis"):
        guard.guard.knows(bad)
    assert guard.of(Grammar("ebnf", 'root ::= "x"')) is None
    assert guard.guard.trial_pid == process


def test_a_remembered_refusal_keeps_nothing_of_its_callers(guard: Verdicts) -> None:
    """Every caller gets an error of its own; one that is shared would hold all their frames, prompts included."""
    bad = Grammar("regex", "(a")
    assert isinstance(guard.of(bad), InvalidRequest)
    with pytest.raises(InvalidRequest) as first:
        guard.guard.knows(bad)
    with pytest.raises(InvalidRequest) as second:
        guard.guard.knows(bad)
    assert first.value is not second.value
    assert first.value.message == second.value.message


def test_a_slow_one_is_given_up_and_the_next_compiles() -> None:
    """What takes longer than the limit is refused, and a new process takes the old one's place."""
    guard = verdicts(Limits(seconds=2.0, budget_ms=60_000))
    refusal = guard.of(SLOW)
    assert isinstance(refusal, InvalidRequest)
    assert "over 2 s" in refusal.message
    assert guard.guard.trial_pid is None
    assert guard.of(GOOD) is None
    guard.guard.stop()


def test_one_that_would_hold_all_others_up_is_refused() -> None:
    """What compiles, and takes longer than the budget, is refused with what it took and what it may take."""
    guard = verdicts(Limits(seconds=60.0, budget_ms=0))
    refusal = guard.of(Grammar("json_schema", '{"type": "object"}'))
    assert isinstance(refusal, InvalidRequest)
    assert "more than 0 ms" in refusal.message
    guard.guard.stop()


def test_one_that_takes_too_much_memory_is_refused() -> None:
    """A process that runs out of its memory ends alone; the next constraint gets a new one."""
    guard = verdicts(Limits(seconds=60.0, budget_ms=60_000), Prepare(PREPARE.model, (2,), 64 << 20))
    refusal = guard.of(Grammar("regex", "((a{1,300}){1,300}){1,300}"))
    assert isinstance(refusal, InvalidRequest)
    assert "memory" in refusal.message
    assert guard.of(GOOD) is None
    guard.guard.stop()


def test_has_the_pipeline_forget() -> None:
    """When compiled constraints hold too much memory the pipeline is told to drop them; the guard drops its own."""
    guard = verdicts(Limits(seconds=60.0, budget_ms=60_000, most_kib=-1))
    assert guard.of(GOOD) is None
    assert guard.forgotten.is_set()
    assert guard.guard.trial_pid is None
    assert guard.of(Grammar("regex", "[a-f]")) is None
    guard.guard.stop()


def test_an_idle_process_ends() -> None:
    """A process that nobody asks anything gives its memory back, and is started again by the next constraint."""
    guard = verdicts(Limits(seconds=60.0, budget_ms=60_000, idle_seconds=0.01))
    assert guard.of(GOOD) is None
    wait_until(lambda: guard.guard.trial_pid is None)
    assert guard.guard.knows(GOOD)
    assert guard.of(Grammar("regex", "[a-f]")) is None
    guard.guard.stop()


def test_a_dead_process_is_replaced(guard: Verdicts) -> None:
    """A trial process that was killed while it slept costs the next constraint no more than a new process."""
    assert guard.of(GOOD) is None
    os.kill(guard.guard.trial_pid or 0, signal.SIGKILL)
    assert guard.of(Grammar("regex", "[a-f]")) is None
    assert guard.guard.knows(Grammar("regex", "[a-f]"))


def test_too_many_may_not_wait(guard: Verdicts) -> None:
    """Beyond a number of waiting constraints `ask` is `Overloaded`; those that nobody wants are passed over."""
    free, told = threading.Event(), queue.SimpleQueue[ArgosyError | None]()

    def hold_up() -> bool:
        free.wait(60)
        return False

    guard.guard.ask(GOOD, hold_up, told.put)
    wait_until(lambda: guard.guard.waiting == 0)
    for number in range(64):
        guard.guard.ask(Grammar("regex", f"a{{{number + 1}}}"), lambda: False, told.put)
    with pytest.raises(Overloaded):
        guard.guard.ask(GOOD, lambda: True, told.put)
    free.set()
    wait_until(lambda: guard.guard.waiting == 0)
    assert told.empty()
    assert guard.guard.trial_pid is None


def test_stop_ends_everything(guard: Verdicts) -> None:
    """`stop` ends thread and process, may come twice, and nothing is taken afterwards."""
    assert guard.of(GOOD) is None
    process = guard.guard.trial_pid
    guard.guard.stop()
    guard.guard.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(process or 0, 0)
    with pytest.raises(EngineError):
        guard.guard.ask(GOOD, lambda: True, lambda refusal: None)


def test_a_model_that_cannot_be_read_is_no_fault_of_the_request(tmp_path: Path) -> None:
    """When the process does not start the answer is `EngineError`, which is not remembered."""
    guard = verdicts(PATIENT, Prepare(str(tmp_path / "openvino_model.xml"), (2,), 1 << 30))
    assert type(guard.of(GOOD)) is EngineError
    assert not guard.guard.knows(GOOD)
    guard.guard.stop()


def test_the_process_ends_with_its_parent() -> None:
    """A trial process whose parent is killed ends."""
    script = (
        "import time\n"
        "from argosy.engines.grammar.guard import GrammarGuard, Limits\n"
        "from argosy.engines.grammar.messages import Grammar, Prepare\n"
        f"prepare = Prepare({PREPARE.model!r}, (2,), 1 << 30)\n"
        f"guard = GrammarGuard({TRIAL!r}, prepare, Limits(60.0, 60000), lambda: None)\n"
        "tell = lambda refusal: print(guard.trial_pid, flush=True)\n"
        "guard.ask(Grammar('regex', 'a'), lambda: True, tell)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        trial = int(parent.stdout.readline())
        parent.kill()
    wait_until(lambda: not Path(f"/proc/{trial}").exists())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "Exception from src/x.cpp:5:\nCheck 'a' failed at y.cpp:7:\n[10:52:40] /a/b/c-d/e.cc:75: Not closed.\n\n",
            "Not closed",
        ),
        ("Failed to parse: near:\n/home/someone/build/x.cc:5: oops", "Failed to parse: near: oops"),
        ("x" * 1000, "x" * 300),
    ],
)
def test_reasons_are_plain(text: str, reason: str) -> None:
    """The library's source files and times are not for callers, nor is what has no end."""
    assert plain_reason(text) == reason
