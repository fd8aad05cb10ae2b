from __future__ import annotations

import pytest

from argosy.runtime.triton.restart import GiveUp, Quarantine, RestartOptions, RestartPolicy, Retry


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def policy(clock: Clock, chance: float = 0.0, **options: float) -> RestartPolicy:
    return RestartPolicy(RestartOptions(**options), clock, lambda: chance)  # type: ignore[arg-type]


def test_t5_pauses_are_exact_and_the_sixth_crash_gives_up(clock: Clock) -> None:
    """T5: the first restart is immediate, then 0.5 s doubling, and more than five crashes end it."""
    restarts = policy(clock)
    verdicts = [restarts.crashed() for _ in range(6)]
    assert verdicts == [Retry(0.0), Retry(0.5), Retry(1.0), Retry(2.0), Retry(4.0), GiveUp(6)]


def test_pauses_end_at_the_longest(clock: Clock) -> None:
    """Doubling stops at thirty seconds."""
    restarts = policy(clock, most_crashes=20)
    delays = [verdict.delay for verdict in (restarts.crashed() for _ in range(10)) if isinstance(verdict, Retry)]
    assert delays == [0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


def test_chance_lengthens_pauses_by_a_tenth_at_most(clock: Clock) -> None:
    """Jitter adds up to its share, and nothing to an immediate restart."""
    restarts = policy(clock, chance=1.0)
    assert [restarts.crashed() for _ in range(3)] == [Retry(0.0), Retry(0.55), Retry(1.1)]


def test_serving_a_minute_begins_a_new_row(clock: Clock) -> None:
    """After sixty good seconds the next restart is immediate again; after fifty-nine it is not."""
    restarts = policy(clock)
    restarts.crashed()
    restarts.ready()
    clock.now += 59
    assert restarts.crashed() == Retry(0.5)
    restarts.ready()
    clock.now += 60
    assert restarts.crashed() == Retry(0.0)


def test_not_serving_is_not_good_time(clock: Clock) -> None:
    """Time spent without being ready begins no new row."""
    restarts = policy(clock)
    restarts.ready()
    restarts.crashed()
    clock.now += 120
    assert restarts.crashed() == Retry(0.5)


def test_old_crashes_are_forgotten(clock: Clock) -> None:
    """Crashes more than ten minutes ago do not count towards giving up."""
    restarts = policy(clock)
    for _ in range(30):
        restarts.ready()
        assert isinstance(restarts.crashed(), Retry)
        clock.now += 121


def test_five_kills_with_serving_between_always_heal(clock: Clock) -> None:
    """Five crashes within the window never give up, however close together."""
    restarts = policy(clock)
    for _ in range(5):
        restarts.ready()
        clock.now += 1
        assert isinstance(restarts.crashed(), Retry)


def test_one_culprit_is_left_out(clock: Clock) -> None:
    """When one model caused every crash of the loop it is named, and the count begins anew."""
    restarts = policy(clock)
    assert [restarts.crashed("a") for _ in range(6)][-1] == Quarantine("a")
    assert restarts.crashed() == Retry(0.0)


@pytest.mark.parametrize("other", [None, "b"])
def test_several_culprits_give_up(clock: Clock, other: str | None) -> None:
    """When the server itself or another model took part, no model is blamed."""
    restarts = policy(clock)
    for _ in range(5):
        restarts.crashed("a")
    assert restarts.crashed(other) == GiveUp(6)
