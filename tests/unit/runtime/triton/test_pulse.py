from __future__ import annotations

import pytest

from argosy.runtime.triton.pulse import Pulse

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
