"""The closed loop, on callers that do not wait for a machine."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from argosy.analysis.load.closed_loop import Answered, LoadFailed, LoopOptions, Usage, measure_level
from argosy.core.errors import EngineError

QUICK = LoopOptions(warm_up=0.01, window=0.02, least_requests=4, windows=4, agreement=1000.0, failures=5, grace=5.0)


class Model:
    """Answers after a moment, and counts."""

    def __init__(self) -> None:
        self.running = self.most = self.answered = 0
        self.numbers: list[int] = []

    async def send(self, number: int) -> Answered:
        self.numbers.append(number)
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(0.001)
        self.running -= 1
        self.answered += 1
        return Answered(first=0.0005, worth=3.0)


async def test_so_many_are_in_flight_and_each_number_is_sent_once() -> None:
    """The concurrency is kept, and nothing is in flight when the level is over."""
    model = Model()
    level = await measure_level(model.send, 7, QUICK, Usage)
    assert model.most == 7
    assert model.numbers == list(range(len(model.numbers)))
    assert model.running == 0
    assert level.concurrency == 7
    assert level.requests < model.answered


async def test_the_figures_go_together() -> None:
    """Requests, seconds, rates, percentiles, worth and the first piece."""
    level = await measure_level(Model().send, 4, QUICK, Usage)
    assert level.requests_per_second == pytest.approx(level.requests / level.seconds)
    assert level.throughput == pytest.approx(3 * level.requests_per_second)
    assert 1.0 <= level.p50_ms <= level.p90_ms <= level.p99_ms
    assert level.first_p99_ms == pytest.approx(0.5)
    assert level.stable


async def test_processor_time_is_that_of_the_windows() -> None:
    """What was used before the first window does not count; memory is the highest seen."""
    seconds = itertools.count(100.0, 0.5)

    def usage() -> Usage:
        at = next(seconds)
        return Usage(at, int(at * 10))

    level = await measure_level(Model().send, 2, QUICK, usage)
    # Three windows, each asked for twice.
    assert level.cpu_seconds_per_1k == pytest.approx(3 * 0.5 / level.requests * 1000)
    assert level.rss_bytes == 1025


async def test_windows_that_never_agree_are_recorded_as_unstable() -> None:
    """After the last try, with what the last three windows saw."""
    level = await measure_level(Model().send, 2, LoopOptions(0.01, 0.02, 4, 5, agreement=0.0), Usage)
    assert not level.stable
    assert level.requests >= 12


async def test_a_model_that_only_fails_is_given_up() -> None:
    """With its own words."""

    async def send(number: int) -> Answered:
        raise EngineError("out of memory")

    with pytest.raises(LoadFailed, match="out of memory"):
        await measure_level(send, 3, QUICK, Usage)


async def test_some_errors_are_counted_and_make_the_level_unstable() -> None:
    """A level with errors is a figure with a warning."""

    async def send(number: int) -> Answered:
        await asyncio.sleep(0.001)
        if number % 4 == 0:
            raise EngineError("now and then")
        return Answered()

    level = await measure_level(send, 4, QUICK, Usage)
    assert level.errors > 0
    assert not level.stable


async def test_a_defect_is_not_swallowed() -> None:
    """What is not an error of the model ends the measurement."""

    async def send(number: int) -> Answered:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await measure_level(send, 2, QUICK, Usage)


async def test_a_model_that_hangs_is_not_waited_for() -> None:
    """No answer in any window is a failure, and the callers are ended."""
    hanging: list[asyncio.Task[None] | None] = []

    async def send(number: int) -> Answered:
        hanging.append(asyncio.current_task())
        await asyncio.Event().wait()
        return Answered()

    with pytest.raises(LoadFailed, match="No request was answered"):
        await measure_level(send, 2, LoopOptions(0.01, 0.01, 1, 2, grace=0.05), Usage)
    assert all(task is not None and task.done() for task in hanging)
