from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argosy.core.deadline import NEVER, Deadline
from argosy.core.errors import DeadlineExceeded, Overloaded
from argosy.server.admission.admission import Admission
from argosy.server.admission.lane import Lane, Limits, Ticket
from argosy.telemetry.metrics import Metrics


def lane_of(**limits: int) -> Lane:
    return Lane(Limits(**limits), Metrics().model("m"))


async def waiting(lane: Lane, *, deadline: Deadline = NEVER, size: int = 0, slots: int = 1) -> asyncio.Task[Ticket]:
    """A task that has taken its place in the queue."""
    task = asyncio.create_task(lane.enter(deadline, size, slots))
    await asyncio.sleep(0)
    return task


async def test_free_slots_are_given_at_once() -> None:
    """And counted."""
    lane = lane_of(slots=2)
    tickets = [await lane.enter(NEVER, 0) for _ in range(2)]
    assert lane.used == 2
    for ticket in tickets:
        ticket.release()
    assert lane.used == 0


async def test_a_ticket_is_given_back_once() -> None:
    """A second release does nothing."""
    lane = lane_of(slots=2)
    first, _ = await lane.enter(NEVER, 0), await lane.enter(NEVER, 0)
    first.release()
    first.release()
    assert lane.used == 1


async def test_the_queue_is_first_in_first_out() -> None:
    """Each release serves the next in line."""
    lane = lane_of(slots=1)
    ticket = await lane.enter(NEVER, 0)
    tasks = [await waiting(lane) for _ in range(3)]
    order = []
    for _ in range(3):
        ticket.release()
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        (task,) = done
        order.append(task)
        tasks.remove(task)
        ticket = task.result()
    assert [task.get_name() for task in order] == sorted((task.get_name() for task in order), key=_number)


def _number(name: str) -> int:
    return int(name.rpartition("-")[2])


async def test_nobody_overtakes_the_queue() -> None:
    """A free slot that the head of the queue cannot use is not given to a later, smaller request."""
    lane = lane_of(slots=2)
    ticket = await lane.enter(NEVER, 0)
    big = await waiting(lane, slots=2)
    small = await waiting(lane, slots=1)
    assert (big.done(), small.done()) == (False, False)
    ticket.release()
    (await big).release()
    (await small).release()
    assert (lane.used, lane.waiting) == (0, 0)


async def test_more_slots_than_there_are_means_all() -> None:
    """A wide request is not refused, it is narrowed."""
    assert (await lane_of(slots=3).enter(NEVER, 0, slots=128)).slots == 3


async def test_a_full_queue_refuses_at_once_with_an_estimate() -> None:
    """By count."""
    lane = lane_of(slots=1, queue=1)
    await lane.enter(NEVER, 0)
    task = await waiting(lane)
    with pytest.raises(Overloaded) as caught:
        await lane.enter(NEVER, 0)
    assert caught.value.retry_after >= 1
    task.cancel()


async def test_a_queue_of_large_bodies_is_full_sooner() -> None:
    """By bytes, which are given back when the place is."""
    lane = lane_of(slots=1, queue=10, queue_bytes=100)
    ticket = await lane.enter(NEVER, 10_000)
    task = await waiting(lane, size=60)
    with pytest.raises(Overloaded):
        await lane.enter(NEVER, 60)
    ticket.release()
    (await task).release()
    await lane.enter(NEVER, 60)
    other = await waiting(lane, size=60)
    assert not other.done()
    other.cancel()


async def test_a_deadline_ends_the_wait() -> None:
    """H12: at the deadline, and the place is free again."""
    lane = lane_of(slots=1, queue=1)
    ticket = await lane.enter(NEVER, 0)
    with pytest.raises(DeadlineExceeded):
        await lane.enter(Deadline.after(0.02), 0)
    assert (lane.used, lane.waiting) == (1, 0)
    ticket.release()
    assert lane.used == 0


async def test_a_cancelled_wait_gives_up_its_place() -> None:
    """Those behind move up."""
    lane = lane_of(slots=1)
    ticket = await lane.enter(NEVER, 0)
    first, second = await waiting(lane), await waiting(lane)
    first.cancel()
    await asyncio.wait([first])
    ticket.release()
    (await second).release()
    assert (lane.used, lane.waiting) == (0, 0)


async def test_a_wait_cancelled_as_it_was_granted_loses_no_slot() -> None:
    """The slot given in the same turn goes to the next in line."""
    lane = lane_of(slots=1)
    ticket = await lane.enter(NEVER, 0)
    first, second = await waiting(lane), await waiting(lane)
    ticket.release()
    first.cancel()
    await asyncio.wait([first])
    (await second).release()
    assert first.cancelled()
    assert (lane.used, lane.waiting) == (0, 0)


_STEP = st.tuples(st.sampled_from(["enter", "release", "cancel", "expire"]), st.integers(1, 4), st.integers(0, 50))


@settings(deadline=None, max_examples=60)
@given(st.lists(_STEP, max_size=40))
def test_slots_are_conserved(steps: list[tuple[str, int, int]]) -> None:
    """Whatever comes, leaves or expires: never more than the limits, and nothing is left over at the end."""

    async def run() -> None:
        lane = lane_of(slots=3, queue=4, queue_bytes=100)
        tasks: list[asyncio.Task[Ticket]] = []
        tickets: list[Ticket] = []
        for action, slots, size in steps:
            if action in {"enter", "expire"}:
                deadline = NEVER if action == "enter" else Deadline.after(0)
                tasks.append(asyncio.create_task(lane.enter(deadline, size, slots)))
            elif action == "cancel" and tasks:
                tasks[size % len(tasks)].cancel()
            elif action == "release" and tickets:
                tickets.pop(0).release()
            for _ in range(3):
                await asyncio.sleep(0)
            assert 0 <= lane.used <= 3
            assert lane.waiting <= 4
            tickets += _granted(tasks)
        while tickets or tasks:
            for ticket in tickets:
                ticket.release()
            await asyncio.sleep(0.001)
            tickets = _granted(tasks)
        assert (lane.used, lane.waiting) == (0, 0)

    asyncio.run(run())


def _granted(tasks: list[asyncio.Task[Ticket]]) -> list[Ticket]:
    """Tickets of the tasks that have ended, which are removed."""
    done = [task for task in tasks if task.done()]
    for task in done:
        tasks.remove(task)
    return [task.result() for task in done if not task.cancelled() and task.exception() is None]


def test_workers_share_the_limits() -> None:
    """Rounded up, so that each can serve."""
    share = Limits(slots=5, queue=1, queue_bytes=10, max_timeout=7).share(2)
    assert share == Limits(slots=3, queue=1, queue_bytes=5, max_timeout=7)


async def test_each_model_has_its_own_limits() -> None:
    """One full model does not hold up another."""
    admission = Admission(Metrics(), Limits(slots=1, queue=0), {"wide": Limits(slots=2)})
    await admission.enter("narrow", NEVER, 0)
    with pytest.raises(Overloaded):
        await admission.enter("narrow", NEVER, 0)
    assert (await admission.enter("wide", NEVER, 0, slots=2)).slots == 2


def test_deadlines_are_bounded_by_the_model() -> None:
    """Counted from the request's arrival."""
    admission = Admission(Metrics(), Limits(max_timeout=10))
    assert admission.deadline("m", None, 100.0).at == 110
    assert admission.deadline("m", 3, 100.0).at == 103
    assert admission.deadline("m", 99, 100.0).at == 110
