from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from argosy.core.deadline import Deadline
from argosy.core.errors import DeadlineExceeded, ModelNotFound, ModelNotReady
from argosy.core.residency import Lease, Residence, ResidenceState
from argosy.core.status import ModelState, ModelStatus, RuntimeState, RuntimeStatus
from argosy.server.admission.admission import Admission
from argosy.server.admission.lane import Ticket
from argosy.server.admission.residents import Residents
from argosy.server.catalog.board import StatusBoard
from argosy.telemetry.metrics import Metrics


class Worker:
    """Doors, lanes and a supervisor that only listens."""

    def __init__(self, wait: float = 30.0) -> None:
        self.board, self.admission = StatusBoard(), Admission(Metrics())
        self.reports: list[Mapping[str, Lease]] = []
        self.residents = Residents(self.admission, self.board, self.reports.append, wait=wait, interval=0.01)
        self.board.update(RuntimeStatus(RuntimeState.READY, models={"m": ModelStatus("m", ModelState.READY)}))

    def hear(self, state: ResidenceState, **details: object) -> None:
        self.residents.hear([Residence("m", state, **details)])  # type: ignore[arg-type]

    async def enter(self, seconds: float = 30.0) -> Ticket:
        self.residents.expect("m")
        return await self.admission.enter("m", Deadline.after(seconds), 1)


async def test_a_request_of_a_sleeping_model_waits_and_is_told_of_at_once() -> None:
    """It goes on when the model is in memory."""
    worker = Worker()
    worker.hear(ResidenceState.UNLOADED)
    request = asyncio.create_task(worker.enter())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert worker.reports[-1]["m"].waiting == 1
    worker.hear(ResidenceState.RESIDENT)
    ticket = await request
    assert (worker.reports[-1]["m"].active, worker.reports[-1]["m"].waiting) == (1, 0)
    ticket.release()
    worker.residents.look()
    assert worker.reports[-1]["m"].active == 0


async def test_a_closed_door_lets_nobody_in_and_those_inside_finish() -> None:
    """The model is settled once nobody is at work, and told so once."""
    worker = Worker()
    worker.hear(ResidenceState.RESIDENT)
    inside = await worker.enter()
    worker.hear(ResidenceState.DRAINING)
    late = asyncio.create_task(worker.enter())
    await asyncio.sleep(0)
    assert worker.residents.settle() == []
    assert worker.residents.draining == ("m",)
    inside.release()
    assert worker.residents.settle() == ["m"]
    assert worker.residents.settle() == []
    await asyncio.sleep(0)
    assert not late.done()
    worker.hear(ResidenceState.UNLOADED)
    worker.hear(ResidenceState.RESIDENT)
    (await late).release()


async def test_a_failure_is_told_once_to_all_who_wait_and_to_who_comes_too_soon() -> None:
    """Who comes later waits for the next try, whatever else is heard meanwhile."""
    worker = Worker()
    worker.hear(ResidenceState.LOADING)
    waiting = [asyncio.create_task(worker.enter()) for _ in range(3)]
    await asyncio.sleep(0)
    worker.hear(ResidenceState.FAILED, reason="damaged", failures=1, retry_after=0.05)
    for error in await asyncio.gather(*waiting, return_exceptions=True):
        assert isinstance(error, ModelNotReady)
        assert "damaged" in error.message
    with pytest.raises(ModelNotReady, match="damaged"):
        await worker.enter()
    await asyncio.sleep(0.06)
    late = asyncio.create_task(worker.enter())
    await asyncio.sleep(0)
    worker.hear(ResidenceState.FAILED, reason="damaged", failures=1)
    await asyncio.sleep(0)
    assert not late.done()
    worker.hear(ResidenceState.RESIDENT)
    (await late).release()


async def test_a_wait_that_takes_too_long_ends_with_what_it_was_for() -> None:
    """And with when to come again: what the last load took is left to wait."""
    worker = Worker(wait=0.03)
    await worker.residents.start()
    worker.hear(ResidenceState.LOADING, load_seconds=90.0)
    with pytest.raises(ModelNotReady, match=r"within 0.03 s: it has been loading .*the last load took 90.0 s") as error:
        await worker.enter()
    assert error.value.retry_after is not None
    assert 80 < error.value.retry_after <= 90
    await worker.residents.stop()
    assert worker.admission.lane("m").waiting == 0


async def test_a_requests_own_deadline_holds_while_it_waits() -> None:
    """It is told of no more."""
    worker = Worker()
    worker.hear(ResidenceState.UNLOADED)
    with pytest.raises(DeadlineExceeded):
        await worker.enter(0.02)
    worker.residents.look()
    assert worker.reports[-1].get("m", Lease()).waiting == 0


async def test_a_model_that_is_served_no_longer_has_no_waiting_requests() -> None:
    """They hear that it is not found."""
    worker = Worker()
    worker.hear(ResidenceState.UNLOADED)
    request = asyncio.create_task(worker.enter())
    await asyncio.sleep(0)
    worker.residents.hear([])
    with pytest.raises(ModelNotFound):
        await request


async def test_a_runtime_that_is_given_up_ends_every_wait() -> None:
    """Nothing will be loaded any more."""
    worker = Worker()
    worker.hear(ResidenceState.UNLOADED)
    request = asyncio.create_task(worker.enter())
    await asyncio.sleep(0)
    worker.board.update(RuntimeStatus(RuntimeState.FAILED, reason="a crash loop"))
    worker.residents.look()
    with pytest.raises(ModelNotReady, match="a crash loop"):
        await request


async def test_without_a_runtime_nobody_waits() -> None:
    """What nothing will load is refused at once."""
    worker = Worker()
    worker.hear(ResidenceState.UNLOADED)
    worker.board.update(RuntimeStatus(RuntimeState.STOPPED, reason="gone"))
    with pytest.raises(ModelNotReady, match="stopped"):
        await worker.enter()
