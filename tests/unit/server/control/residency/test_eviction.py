from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from argosy.core.residency import EvictionReason
from argosy.server.control.residency.eviction import (
    Evict,
    EvictionOptions,
    Load,
    Refuse,
    Resident,
    Wait,
    Wanted,
    decide,
)

OPTIONS = EvictionOptions(budget=100, idle_timeout=0, quantum=1)


def test_a_wanted_model_is_loaded_while_there_is_room() -> None:
    """Nothing is evicted for it."""
    assert decide([Resident("a", 60)], [Wanted("b", 40)], OPTIONS) == Load("b")


def test_the_least_recently_used_makes_room() -> None:
    """Whoever was idle longest goes, and nobody else yet."""
    residents = [Resident("a", 40, idle=2), Resident("b", 40, idle=9), Resident("c", 20, idle=5)]
    assert decide(residents, [Wanted("d", 60)], OPTIONS) == Evict(("b",), EvictionReason.ROOM)


def test_a_model_at_work_goes_only_when_no_other_can() -> None:
    """And the one that has been there longest, after it had its time."""
    busy = [Resident("a", 50, active=1, age=3), Resident("b", 50, active=2, age=8)]
    assert decide(busy, [Wanted("c", 30)], OPTIONS) == Evict(("b",), EvictionReason.ROOM)
    assert decide([*busy, Resident("d", 0, idle=1, age=2)], [Wanted("c", 30)], OPTIONS) == Evict(
        ("d",), EvictionReason.ROOM
    )


def test_a_model_that_was_just_loaded_keeps_its_place_while_it_works() -> None:
    """The wait ends when its time is over."""
    assert decide([Resident("a", 80, active=1, age=0.4)], [Wanted("b", 80)], OPTIONS) == Wait(0.6)


def test_pinned_and_held_models_stay() -> None:
    """There is nothing to do but to wait for the held one."""
    residents = [Resident("a", 50, pinned=True, idle=99), Resident("b", 50, held=True, idle=99)]
    assert isinstance(decide(residents, [Wanted("c", 20)], OPTIONS), Wait)


def test_a_model_larger_than_the_budget_is_refused_with_the_numbers() -> None:
    """Both of them."""
    action = decide([], [Wanted("a", 3 << 30)], EvictionOptions(budget=2 << 30))
    assert action == Refuse("a", "it needs 3.0 GiB and the memory budget is 2.0 GiB")


def test_a_model_for_which_pinned_ones_leave_no_room_is_refused_with_the_numbers() -> None:
    """They are named."""
    options = EvictionOptions(budget=4 << 30)
    action = decide([Resident("big", 3 << 30, pinned=True), Resident("b", 1 << 30)], [Wanted("a", 2 << 30)], options)
    assert isinstance(action, Refuse)
    assert "needs 2.0 GiB" in action.reason
    assert "3.0 GiB are taken by pinned models (big)" in action.reason


def test_adapters_go_with_their_base() -> None:
    """A base counts as used when one of its adapters is; an adapter may go alone."""
    residents = [
        Resident("base", 30, idle=50),
        Resident("lora", 30, idle=1, parent="base"),
        Resident("other", 30, idle=20),
    ]
    assert decide(residents, [Wanted("x", 40)], OPTIONS) == Evict(("other",), EvictionReason.ROOM)
    assert decide(residents[:2], [Wanted("x", 90)], OPTIONS) == Evict(("base", "lora"), EvictionReason.ROOM)
    pinned = [Resident("base", 30, pinned=True), Resident("lora", 30, idle=9, parent="base")]
    assert decide(pinned, [Wanted("x", 60)], OPTIONS) == Evict(("lora",), EvictionReason.ROOM)


def test_an_idle_model_goes_after_its_time() -> None:
    """Until then the decision is to look again in time."""
    options = EvictionOptions(idle_timeout=30)
    assert decide([Resident("a", 1, idle=12), Resident("b", 1, idle=30)], [], options) == Evict(
        ("b",), EvictionReason.IDLE
    )
    assert decide([Resident("a", 1, idle=12)], [], options) == Wait(18)
    assert decide([Resident("a", 1, active=1, idle=99)], [], options) == Wait()


def test_models_that_grew_over_the_budget_make_room() -> None:
    """Before anything is loaded."""
    residents = [Resident("a", 70, idle=1), Resident("b", 70, idle=3)]
    assert decide(residents, [], OPTIONS) == Evict(("b",), EvictionReason.GROWTH)


def test_a_small_model_does_not_wait_behind_a_large_one_that_cannot_be_helped() -> None:
    """It takes the room that nobody has."""
    residents = [Resident("a", 60, active=1, age=0)]
    assert decide(residents, [Wanted("large", 90), Wanted("small", 40)], OPTIONS) == Load("small")


@dataclass
class Machine:
    """Carries out what is decided, one second a step; requests last as long as they were made to."""

    sizes: dict[str, int]
    pinned: set[str]
    budget: int
    work: dict[str, int] = field(default_factory=dict)
    there: dict[str, tuple[int, int]] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    served: set[str] = field(default_factory=set)
    now: int = 0

    def residents(self) -> list[Resident]:
        return [
            Resident(
                name,
                self.sizes[name],
                active=int(self.work.get(name, 0) > 0),
                idle=self.now - used,
                age=self.now - since,
                pinned=name in self.pinned,
            )
            for name, (since, used) in self.there.items()
        ]

    def step(self, wanted: list[str]) -> None:
        residents = self.residents()
        action = decide(
            residents,
            [Wanted(name, self.sizes[name], pinned=name in self.pinned) for name in wanted],
            EvictionOptions(self.budget, quantum=1),
        )
        self.now += 1
        self.work = {name: left - 1 for name, left in self.work.items() if left > 1}
        match action:
            case Load(name):
                self.there[name] = (self.now, self.now)
                self.served.add(name)
                assert sum(self.sizes[each] for each in self.there) <= self.budget
            case Evict(names, _):
                assert self.pinned.isdisjoint(names)
                # As the real one does: who is at work leaves when the work is done.
                for name in names:
                    self.now += self.work.pop(name, 0)
                    del self.there[name]
            case Refuse(name):
                self.refused.add(name)


@settings(deadline=None)
@given(
    st.lists(st.integers(1, 120), min_size=1, max_size=8),
    st.sets(st.integers(0, 7), max_size=2),
    st.lists(st.tuples(st.integers(0, 7), st.integers(0, 5)), max_size=20),
)
def test_every_wanted_model_is_loaded_or_refused_and_the_budget_holds(
    sizes: list[int], pinned: set[int], requests: list[tuple[int, int]]
) -> None:
    """Whatever is asked for in whatever order: never over the budget, no pinned one evicted, nobody waits for ever."""
    names = [f"m{number}" for number in range(len(sizes))]
    machine = Machine(dict(zip(names, sizes, strict=True)), {f"m{n}" for n in pinned} & set(names), budget=100)
    for number, work in requests:
        name = names[number % len(names)]
        for _ in range(3 * len(names) + 10):
            if name in machine.there or name in machine.refused:
                break
            machine.step([name])
        assert name in machine.there or name in machine.refused
        if name in machine.there:
            since, _ = machine.there[name]
            machine.there[name] = (since, machine.now)
            machine.work[name] = work


@settings(deadline=None)
@given(st.lists(st.integers(1, 100), min_size=2, max_size=10), st.integers(0, 4))
def test_all_that_are_wanted_at_once_get_their_turn(sizes: list[int], work: int) -> None:
    """Models that keep one another out of memory, each with requests all the time, are all served."""
    names = [f"m{number}" for number in range(len(sizes))]
    machine = Machine(dict(zip(names, sizes, strict=True)), set(), budget=100)
    queue = list(names)
    for _ in range(40 * len(names)):
        queue = [name for name in queue if name not in machine.there]
        queue += [name for name in names if name not in machine.there and name not in queue]
        for name in machine.there:
            machine.work.setdefault(name, work)
        machine.step(queue)
        if machine.served == set(names):
            return
    raise AssertionError(f"never loaded: {set(names) - machine.served}")
