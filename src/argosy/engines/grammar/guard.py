"""The engine's side of the trial process: what may go to the engine's library, and what is refused and why."""

from __future__ import annotations

import hashlib
import logging
import math
import queue
import subprocess
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from argosy.core.errors import ArgosyError, EngineError, InvalidRequest, Overloaded
from argosy.engines.children import child
from argosy.engines.children.channel import Channel
from argosy.engines.grammar import messages
from argosy.engines.grammar.messages import Command, Compile, Compiled, Grammar, Prepare, Report

_MOST_WAITING = 64
_MOST_VERDICTS = 1024
_START_SECONDS = 60.0
_SECOND_CHANCE = 60.0
"""Seconds after which a constraint that took too much may try again: the machine may have been busy."""
_logger = logging.getLogger(__name__)

Told = Callable[[ArgosyError | None], None]
"""Gets None for a constraint that may go to the library, or why not; called on the guard's thread."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What constraints may cost.

    Attributes:
        seconds: after which compiling is given up.
        budget_ms: milliseconds that compiling may take all other generations.
        most_kib: memory that compiled constraints may hold together before the library must forget them.
        idle_seconds: after which the process ends that nobody asked anything.
    """

    seconds: float = 2.0
    budget_ms: int = 250
    most_kib: int = 256 << 10
    idle_seconds: float = 600.0


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What is remembered is the reason and no error: one that is raised twice keeps what both callers held."""

    reason: str = ""
    until: float = math.inf
    died: bool = False


@dataclass(frozen=True, slots=True)
class _Job:
    grammar: Grammar
    wanted: Callable[[], bool]
    told: Told


class GrammarGuard:
    """Says which constraints an engine's library may compile.

    Its thread and its process start with the first constraint that it does not know; the process is started again
    whenever it has ended.

    Args:
        trial: the module that is run as the trial process; it is told `Prepare` and then one `Compile` after another.
        prepare: what the trial process compiles against.
        limits: what a constraint may cost.
        forget: called, on the guard's thread, when the library should drop all that it has compiled.
        python: the trial process's interpreter.
    """

    def __init__(
        self,
        trial: str,
        prepare: Prepare,
        limits: Limits,
        forget: Callable[[], None],
        *,
        python: str = sys.executable,
    ) -> None:
        self._trial = trial
        self._python = python
        self._prepare = prepare
        self._limits = limits
        self._forget = forget
        self._jobs: queue.Queue[_Job | None] = queue.Queue()
        self._lock = threading.Lock()
        # Guarded by the lock.
        self._verdicts: OrderedDict[bytes, _Verdict] = OrderedDict()
        self._thread: threading.Thread | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = False
        # The guard's thread alone.
        self._channel: Channel | None = None
        self._kib = 0

    @property
    def trial_pid(self) -> int | None:
        """Process id of the trial process, None while there is none."""
        process = self._process
        return None if process is None else process.pid

    @property
    def waiting(self) -> int:
        """How many constraints wait to be looked at."""
        return self._jobs.qsize()

    def knows(self, grammar: Grammar) -> bool:
        """Whether a constraint is known to be good.

        Raises:
            InvalidRequest: it is known to be bad.
        """
        verdict = self._verdict(grammar)
        if verdict is not None and verdict.reason:
            raise _refusal(verdict.reason)
        return verdict is not None

    def ask(self, grammar: Grammar, wanted: Callable[[], bool], told: Told) -> None:
        """Have a constraint compiled; never waits.

        Args:
            grammar: made of a constraint by `engines.text.constraints`.
            wanted: whether somebody still waits for it; asked just before it is compiled.
            told: gets the verdict, unless the guard stops before.

        Raises:
            Overloaded: too many wait.
        """
        with self._lock:
            if self._stopping:
                raise EngineError("The engine is not running.")
            if self.waiting >= _MOST_WAITING:
                raise Overloaded("Too many new constraints wait to be compiled. Try again.", retry_after=1.0)
            if self._thread is None:
                # Linux ends a child with the thread that started it, so this thread starts every one.
                self._thread = threading.Thread(target=self._work, name="argosy-grammar", daemon=True)
                self._thread.start()
            self._jobs.put(_Job(grammar, wanted, told))

    def stop(self) -> None:
        """End the thread and the process. Idempotent."""
        with self._lock:
            self._stopping = True
            if self._process is not None:
                self._process.kill()
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join()

    def _verdict(self, grammar: Grammar) -> _Verdict | None:
        key = _key(grammar)
        with self._lock:
            verdict = self._verdicts.get(key)
            if verdict is None or verdict.until < time.monotonic():
                return None
            self._verdicts.move_to_end(key)
            return verdict

    def _work(self) -> None:
        try:
            while (job := self._next_job()) is not None and not self._stopping:
                if job.wanted():
                    job.told(self._decide(job.grammar))
        finally:
            self._end_process()

    def _next_job(self) -> _Job | None:
        try:
            return self._jobs.get(timeout=self._limits.idle_seconds)
        except queue.Empty:
            self._end_process()
            return self._jobs.get()

    def _decide(self, grammar: Grammar) -> ArgosyError | None:
        verdict = self._verdict(grammar)
        if verdict is None:
            used = self._channel is not None
            if not self._ready():
                return _cannot()
            verdict = self._compile(grammar)
            if verdict.died and used:
                # The process had ended before, or others had taken its memory; this constraint is not to blame.
                if not self._ready():
                    return _cannot()
                verdict = self._compile(grammar)
            with self._lock:
                self._verdicts[_key(grammar)] = verdict
                while len(self._verdicts) > _MOST_VERDICTS:
                    self._verdicts.popitem(last=False)
        return _refusal(verdict.reason) if verdict.reason else None

    def _ready(self) -> bool:
        """Whether a warm trial process is there, after starting one where there is none."""
        if self._channel is not None:
            return True
        with self._lock:
            if self._stopping:
                return False
            try:
                self._process, self._channel = child.start(self._trial, python=self._python)
            except OSError:
                _logger.exception("The process that compiles constraints cannot be started.")
                return False
        self._kib = 0
        if self._say(self._prepare, _START_SECONDS) is None:
            self._end_process()
            if not self._stopping:
                _logger.error("The process that compiles constraints for %s did not start.", self._prepare.model)
            return False
        return True

    def _compile(self, grammar: Grammar) -> _Verdict:
        limits = self._limits
        begun = time.monotonic()
        report = self._say(Compile(grammar.kind, grammar.text), limits.seconds)
        if not isinstance(report, Compiled):
            self._end_process()
            if time.monotonic() - begun < limits.seconds:
                return _Verdict(
                    "The constraint needs too much memory to compile; make it smaller.",
                    time.monotonic() + _SECOND_CHANCE,
                    died=True,
                )
            return _Verdict(
                f"The constraint takes too long to compile (over {limits.seconds:g} s); make it simpler.",
                time.monotonic() + _SECOND_CHANCE,
            )
        if report.reason:
            return _Verdict(f"The constraint cannot be compiled: {report.reason}.")
        self._count(report.kib)
        if report.milliseconds > limits.budget_ms:
            return _Verdict(
                f"The constraint takes too long to compile ({report.milliseconds:.0f} ms, and other answers would "
                f"wait for more than {limits.budget_ms} ms); make it simpler."
            )
        return _Verdict()

    def _count(self, kib: int) -> None:
        """Neither process forgets a compiled constraint by itself."""
        self._kib += kib
        if self._kib > self._limits.most_kib:
            self._end_process()
            self._forget()

    def _say(self, command: Command, seconds: float) -> Report | None:
        """Send a command; the answer, or None when none comes in time or ever."""
        channel = self._channel
        if channel is None:
            return None
        try:
            channel.send(messages.encode(command))
            end = time.monotonic() + seconds
            while (left := end - time.monotonic()) > 0 and channel.readable(left):
                for frame in channel.receive(wait=False):
                    report: Report = messages.decode_report(frame)
                    return report
        except (OSError, EOFError):
            pass
        return None

    def _end_process(self) -> None:
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
        if self._channel is not None:
            self._channel.close()
            self._channel = None


def _key(grammar: Grammar) -> bytes:
    return hashlib.sha256(f"{grammar.kind}\n{grammar.text}".encode()).digest()


def _cannot() -> EngineError:
    return EngineError("The engine cannot compile constraints at the moment; its log says why.")


def _refusal(message: str) -> InvalidRequest:
    return InvalidRequest(message, param="constraint")
