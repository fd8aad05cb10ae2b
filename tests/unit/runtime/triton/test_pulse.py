from __future__ import annotations

import pytest

from argosy.runtime.triton.pulse import Pulse, Stillness

LOOK = 10.0
"""Seconds between two looks."""


@pytest.fixture
def pulse() -> Pulse:
    pulse = Pulse(misses_allowed=2, silence=5.0, busy_grace=60.0)
    assert pulse.moved(1)
    return pulse


def test_two_silent_looks_condemn(pulse: Pulse) -> None:
    """A model that does nothing is given up at the second look."""
    assert not pulse.silent(0, LOOK)
    assert pulse.silent(0, 2 * LOOK)


def test_an_answer_between_starts_anew(pulse: Pulse) -> None:
    """Only silent looks in a row count."""
    assert not pulse.silent(0, LOOK)
    pulse.beats()
    assert not pulse.silent(0, 3 * LOOK)


def test_progress_is_an_answer(pulse: Pulse) -> None:
    """Any change of the statistics counts as life; none does not."""
    assert not pulse.silent(0, LOOK)
    assert pulse.moved(2)
    assert not pulse.moved(2)
    assert pulse.misses == 0


def test_computing_is_a_sign_of_life(pulse: Pulse) -> None:
    """A model that computes without answering is left alone for its grace, and no longer."""
    looks = [pulse.silent(worked=500, now=LOOK * look) for look in range(1, 12)]
    assert looks == [False] * 7 + [True] * 4


def test_housekeeping_is_not_computing(pulse: Pulse) -> None:
    """A few ticks, as an idle process uses, are no sign of life."""
    assert not pulse.silent(worked=10, now=LOOK)
    assert pulse.silent(worked=10, now=2 * LOOK)


def test_grace_begins_anew_after_an_answer(pulse: Pulse) -> None:
    """Two long batches with an answer between them are not added up."""
    for look in range(1, 6):
        assert not pulse.silent(worked=500, now=LOOK * look)
    pulse.beats()
    for look in range(6, 11):
        assert not pulse.silent(worked=500, now=LOOK * look)


def looks(stillness: Stillness, ticks: list[int]) -> list[bool]:
    """What is seen second by second."""
    return [stillness.lasts(lambda used=used: used, float(second)) for second, used in enumerate(ticks)]  # type: ignore[misc]


def test_processes_that_do_nothing_are_still_after_their_time() -> None:
    """Not before it is over, and housekeeping does not count as work."""
    assert looks(Stillness(10.0), [50, 50, 51, 51, 51, 52, 52, 52, 52, 53, 53]) == [False] * 10 + [True]


def test_work_begins_the_time_anew() -> None:
    """Processes that computed a little while ago are not still."""
    assert looks(Stillness(10.0), [0] * 9 + [40] * 10) == [False] * 19
    assert looks(Stillness(10.0), [0] * 9 + [40] * 11)[-1]


def test_another_process_begins_the_time_anew() -> None:
    """A sum of processor times that shrinks is of other processes."""
    assert looks(Stillness(10.0), [40] * 9 + [0] * 10) == [False] * 19


def test_processor_times_are_read_seldom() -> None:
    """A look costs a walk through all processes, and one in ten is enough of them."""
    read: list[float] = []
    stillness = Stillness(10.0)
    for step in range(100):
        stillness.lasts(lambda step=step: read.append(step) or 0, step / 10)  # type: ignore[func-returns-value,misc]
    assert len(read) == 10
