"""A closed loop: so many callers, each of which sends its next request when it has the answer to its last.

Windows of equal length are taken one after the other until the last three agree, as Triton's perf_analyzer does; what
those three saw is the result. Requests of a window are those whose answer ended in it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from argosy.analysis.trial import Level
from argosy.core.errors import ArgosyError

_AGREE = 3


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer.

    Attributes:
        first: seconds until its first piece, or None where answers come whole.
        worth: what it counts for: its output tokens, or 1.
    """

    first: float | None = None
    worth: float = 1.0


Send = Callable[[int], Awaitable[Answered]]
"""Sends the request of a number and waits for the whole answer; raises `ArgosyError`."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What the model's processes have taken so far.

    Attributes:
        cpu_seconds: of Triton and everything it started.
        rss_bytes: of the model's processes.
    """

    cpu_seconds: float = 0.0
    rss_bytes: int = 0


@dataclass(frozen=True, slots=True)
class LoopOptions:
    """How a level is timed; seconds.

    Attributes:
        warm_up: before the first window, and at least until every caller had two answers.
        window: length of one window; longer where it would hold too few answers.
        least_requests: answers that a window waits for, or five lengths of it.
        windows: most windows before the level is recorded as unstable.
        agreement: largest distance of a window's throughput and mean latency from the mean of the last three.
        failures: failed requests in a row, by whichever caller, after which the level is given up.
        grace: that requests in flight get at the end of the level.
    """

    warm_up: float = 0.7
    window: float = 1.0
    least_requests: int = 30
    windows: int = 8
    agreement: float = 0.1
    failures: int = 20
    grace: float = 10.0


class LoadFailed(Exception):
    """The model does not answer under load; the text says what it says instead."""


@dataclass(slots=True)
class _Window:
    began: float
    usage: Usage
    latencies: list[float] = field(default_factory=list)
    firsts: list[float] = field(default_factory=list)
    worth: float = 0.0
    errors: int = 0
    ended: float = 0.0
    usage_after: Usage = Usage()

    @property
    def seconds(self) -> float:
        return self.ended - self.began

    @property
    def throughput(self) -> float:
        return self.worth / self.seconds

    @property
    def latency(self) -> float:
        return float(np.mean(self.latencies)) if self.latencies else float("inf")


async def measure_level(
    send: Send,
    concurrency: int,
    options: LoopOptions,
    usage: Callable[[], Usage],
    clock: Callable[[], float] = time.perf_counter,
) -> Level:
    """Load with `concurrency` callers until the figures are stable, or the tries are used up.

    `usage` is asked at the borders of the windows; `clock` gives seconds.

    Raises:
        LoadFailed: requests keep failing, or none is answered.
    """
    loop = _Loop(send, concurrency, options, usage, clock)
    callers = [asyncio.create_task(loop.call(), name=f"caller {number}") for number in range(concurrency)]
    try:
        await loop.warm_up()
        windows: list[_Window] = []
        while len(windows) < options.windows:
            windows.append(await loop.window())
            if _agree(windows[-_AGREE:], options.agreement):
                return _level(concurrency, windows[-_AGREE:], stable=True)
        return _level(concurrency, windows[-_AGREE:], stable=False)
    finally:
        loop.stop()
        # Requests in flight get their answers: a model cannot be unloaded while a request of it is lost.
        _, late = await asyncio.wait(callers, timeout=options.grace)
        for caller in late:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)


class _Loop:
    """The callers and the window that is open."""

    def __init__(
        self, send: Send, concurrency: int, options: LoopOptions, usage: Callable[[], Usage], clock: Callable[[], float]
    ) -> None:
        self._send = send
        self._concurrency = concurrency
        self._options = options
        self._usage = usage
        self._clock = clock
        self._next = 0
        self._answers = 0
        self._failed_in_a_row = 0
        self._broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._open: _Window | None = None
        self._stopped = False

    def stop(self) -> None:
        """Send nothing more."""
        self._stopped = True

    async def call(self) -> None:
        """One caller, until `stop`."""
        try:
            while not self._stopped:
                number, self._next = self._next, self._next + 1
                began = self._clock()
                try:
                    answered = await self._send(number)
                except ArgosyError as error:
                    self._note_failure(error)
                    # A refusal comes at once; without a pause the callers would only be refused faster.
                    await asyncio.sleep(0.01)
                    continue
                self._note(answered, self._clock() - began)
        except Exception as defect:  # noqa: BLE001 - handed to whoever waits for the level
            if not self._broken.done():
                self._broken.set_exception(defect)

    async def warm_up(self) -> None:
        """Wait until the first requests are over."""
        await self._wait(self._options.warm_up, 2 * self._concurrency)

    async def window(self) -> _Window:
        """One window."""
        window = self._open = _Window(self._clock(), self._usage())
        await self._wait(self._options.window, self._options.least_requests)
        self._open = None
        window.ended, window.usage_after = self._clock(), self._usage()
        return window

    async def _wait(self, seconds: float, answers: int) -> None:
        """Wait `seconds`, and up to five times as long for so many answers."""
        before = self._answers
        for _ in range(5):
            done, _ = await asyncio.wait([self._broken], timeout=seconds)
            if done:
                self._broken.result()
            if self._answers - before >= answers:
                return

    def _note(self, answered: Answered, seconds: float) -> None:
        self._answers += 1
        self._failed_in_a_row = 0
        if (window := self._open) is not None:
            window.latencies.append(seconds)
            window.worth += answered.worth
            if answered.first is not None:
                window.firsts.append(answered.first)

    def _note_failure(self, error: ArgosyError) -> None:
        self._failed_in_a_row += 1
        if self._open is not None:
            self._open.errors += 1
        if self._failed_in_a_row >= self._options.failures and not self._broken.done():
            self._broken.set_exception(LoadFailed(error.message))


def _agree(windows: Sequence[_Window], agreement: float) -> bool:
    """Whether three windows have throughputs and latencies close to their means."""
    if len(windows) < _AGREE or any(not window.latencies or window.errors for window in windows):
        return False
    return all(
        max(abs(value / np.mean(values) - 1) for value in values) <= agreement
        for values in ([window.throughput for window in windows], [window.latency for window in windows])
    )


def _level(concurrency: int, windows: Sequence[_Window], *, stable: bool) -> Level:
    latencies = [latency for window in windows for latency in window.latencies]
    if not latencies:
        raise LoadFailed(f"No request was answered within {sum(window.seconds for window in windows):.0f} s.")
    seconds = sum(window.seconds for window in windows)
    p50, p90, p99 = (float(value) * 1000 for value in np.percentile(latencies, (50, 90, 99)))
    firsts = [first for window in windows for first in window.firsts]
    rates = [window.throughput for window in windows]
    cpu = sum(window.usage_after.cpu_seconds - window.usage.cpu_seconds for window in windows)
    return Level(
        concurrency=concurrency,
        throughput=sum(window.worth for window in windows) / seconds,
        requests_per_second=len(latencies) / seconds,
        p50_ms=p50,
        p90_ms=p90,
        p99_ms=p99,
        first_p99_ms=float(np.percentile(firsts, 99)) * 1000 if firsts else 0.0,
        cpu_seconds_per_1k=max(0.0, cpu) / len(latencies) * 1000,
        rss_bytes=max(window.usage_after.rss_bytes for window in windows),
        spread=(max(rates) - min(rates)) / (sum(rates) / len(rates)),
        stable=stable,
        requests=len(latencies),
        seconds=seconds,
        errors=sum(window.errors for window in windows),
    )
