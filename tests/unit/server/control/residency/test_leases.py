from __future__ import annotations

from argosy.core.residency import Lease
from argosy.server.control.residency.leases import Leases


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_workers_are_added_up_and_a_report_replaces_the_former() -> None:
    """Nothing is counted twice."""
    leases = Leases()
    leases.report("a", {"m": Lease(active=2)})
    leases.report("b", {"m": Lease(active=3), "n": Lease(active=1)})
    assert (leases.active("m"), leases.active("n"), leases.active("x")) == (5, 1, 0)
    leases.report("b", {"m": Lease(active=1)})
    assert (leases.active("m"), leases.active("n")) == (3, 0)


def test_what_is_waited_for_stands_in_the_order_in_which_it_was_first_asked_for() -> None:
    """Whoever asks, and as long as anybody does."""
    clock = Clock()
    leases = Leases(clock)
    for worker, name in (("a", "late"), ("b", "early")):
        clock.now += -5 if name == "early" else 5
        leases.report(worker, {name: Lease(waiting=1)})
    assert leases.waiting() == ["early", "late"]
    clock.now += 10
    leases.report("a", {"late": Lease(waiting=4), "early": Lease(waiting=1)})
    leases.report("b", {"early": Lease()})
    assert leases.waiting() == ["early", "late"]
    leases.report("a", {"late": Lease(waiting=4)})
    assert leases.waiting() == ["late"]


def test_the_last_use_is_the_latest_of_all_workers() -> None:
    """It stays known when the worker that saw it is gone."""
    clock = Clock()
    leases = Leases(clock)
    leases.report("a", {"m": Lease(idle=2.0)})
    leases.report("b", {"m": Lease(idle=30.0)})
    leases.forget("a")
    clock.now += 50
    leases.report("b", {"m": Lease(idle=80.0)})
    assert leases.last_used("m") == 98.0
    assert leases.last_used("never") == 0.0


def test_every_change_is_told() -> None:
    """A report and the end of a worker; a worker that never reported changes nothing."""
    told: list[int] = []
    leases = Leases()
    leases.subscribe(lambda: told.append(1))
    leases.report("a", {})
    leases.forget("a")
    leases.forget("a")
    assert len(told) == 2
