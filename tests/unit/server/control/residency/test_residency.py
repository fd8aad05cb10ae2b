from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from argosy.core.errors import ModelLoadFailed, ModelNotFound, ModelNotReady, Overloaded
from argosy.core.residency import ResidenceState
from argosy.core.status import ModelState, ModelStatus
from argosy.server.admission.lane import Limits
from argosy.server.control.repository import RepositoryState
from argosy.server.dataplane.call import Call
from argosy.store.entries import ModelEntry
from tests.suites.echo_models import echo_tensors
from tests.unit.server.control.residency.machine import SIZE, Machine, until


def entries(folder: Path, count: int, **options: str) -> list[ModelEntry]:
    return [echo_tensors(folder / "store", f"m{number}", parameters=options) for number in range(count)]


async def test_a_model_is_loaded_by_its_first_request(tmp_path: Path) -> None:
    """It is listed before, the request waits for it, and the next one does not."""
    async with Machine(tmp_path, entries(tmp_path, 3)) as machine:
        assert [model.name for model in machine.workers[0].catalog.models] == ["m0", "m1", "m2"]
        assert machine.runtime.resident == set()
        assert await machine.ask("m1", "ship") == "ship"
        assert machine.runtime.resident == {"m1"}
        assert await machine.ask("m1", "sail", worker=1) == "sail"
        assert machine.runtime.loads == ["m1"]


async def test_many_first_requests_make_one_load(tmp_path: Path) -> None:
    """In all workers together."""
    async with Machine(tmp_path, entries(tmp_path, 1)) as machine:
        answers = await asyncio.gather(*(machine.ask("m0", str(n), n % 2) for n in range(40)))
        assert answers == [str(number) for number in range(40)]
        assert machine.runtime.loads == ["m0"]


async def test_twenty_models_on_a_machine_that_holds_five(tmp_path: Path) -> None:
    """Whatever many clients ask at random, everybody gets the right answer, and no sixth model is ever in memory."""
    names = [f"m{number}" for number in range(20)]
    async with Machine(tmp_path, entries(tmp_path, 20), holds=5) as machine:

        async def client(seed: int) -> None:
            chance = random.Random(seed)  # noqa: S311 - the same traffic every time
            for number in range(8):
                text = f"{seed}.{number}"
                assert await machine.ask(chance.choice(names), text, seed % 2) == text

        async with asyncio.TaskGroup() as clients:
            for seed in range(8):
                clients.create_task(client(seed))
        assert machine.runtime.most <= 5
        assert len(machine.runtime.resident) == 5


async def test_the_least_recently_used_leaves(tmp_path: Path) -> None:
    """Not the one that was loaded first."""
    async with Machine(tmp_path, entries(tmp_path, 3), holds=2) as machine:
        await machine.ask("m0")
        await machine.ask("m1")
        await machine.ask("m0")
        await until(lambda: machine.leases.last_used("m0") > machine.leases.last_used("m1"))
        await machine.ask("m2")
        assert machine.runtime.resident == {"m0", "m2"}


async def test_r9_a_request_in_flight_is_finished_before_its_model_leaves(tmp_path: Path) -> None:
    """R9: who asks for room waits; a request that comes meanwhile waits too and gets its answer."""
    models = [*entries(tmp_path, 1), echo_tensors(tmp_path / "store", "slow", parameters={"delay_ms": "400"})]
    async with Machine(tmp_path, models, holds=1) as machine:
        flight = asyncio.create_task(machine.ask("slow", "long journey"))
        await until(lambda: machine.workers[0].admission.lane("slow").used == 1)
        other = asyncio.create_task(machine.ask("m0", "other", worker=1))
        await until(lambda: machine.workers[0].admission.lane("slow").shut)
        assert not flight.done()
        assert machine.runtime.resident == {"slow"}
        late = asyncio.create_task(machine.ask("slow", "second journey"))
        assert await flight == "long journey"
        assert await other == "other"
        assert await late == "second journey"
        assert machine.runtime.loads == ["slow", "m0", "slow"]


async def test_a_pinned_model_is_there_from_the_start_and_stays(tmp_path: Path) -> None:
    """Readiness depends on it and on no other."""
    async with Machine(tmp_path, entries(tmp_path, 4), holds=2, pinned=frozenset({"m3"})) as machine:
        assert machine.runtime.resident == {"m3"}
        for name in ("m0", "m1", "m2", "m0"):
            await machine.ask(name)
            assert "m3" in machine.runtime.resident
        board = machine.workers[0].board
        assert board.ready
        with pytest.raises(ModelNotReady, match="not in memory"):
            board.check("m1")
        board.check_reachable("m1")


async def test_without_room_for_it_a_model_is_refused_with_the_numbers(tmp_path: Path) -> None:
    """When only pinned models could leave; at once, and who asks again too soon hears the same."""
    pinned = frozenset({"m0", "m1"})
    async with Machine(tmp_path, entries(tmp_path, 3), holds=2, pinned=pinned) as machine:
        for _ in range(2):
            with pytest.raises(ModelNotReady, match=r"needs 20 bytes.*budget of 40 bytes.*pinned models \(m0, m1\)"):
                await machine.ask("m2")
        assert machine.runtime.loads == []


async def test_a_request_that_waits_too_long_hears_what_for(tmp_path: Path) -> None:
    """503, with how long the load has been going on and when to try again; the load goes on."""
    async with Machine(tmp_path, entries(tmp_path, 1), wait=0.2) as machine:
        machine.runtime.may_load.clear()
        with pytest.raises(ModelNotReady, match=r"could not be loaded within 0.2 s: it has been loading for") as error:
            await machine.ask("m0")
        assert error.value.retry_after is not None
        machine.runtime.may_load.set()
        await until(lambda: machine.runtime.resident == {"m0"})
        assert await machine.ask("m0", "now") == "now"


async def test_a_load_that_fails_is_an_error_for_all_that_wait_and_not_tried_at_once(tmp_path: Path) -> None:
    """The reason is told; a storm of requests makes no storm of loads."""
    async with Machine(tmp_path, entries(tmp_path, 2)) as machine:
        machine.runtime.broken.add("m0")
        answers = await asyncio.gather(*(machine.ask("m0") for _ in range(30)), return_exceptions=True)
        answers += await asyncio.gather(*(machine.ask("m0") for _ in range(30)), return_exceptions=True)
        assert all(isinstance(answer, ModelNotReady) and "damaged" in answer.message for answer in answers)
        assert machine.runtime.loads == ["m0"]
        assert "m0" not in machine.runtime.status.models
        assert await machine.ask("m1", "fine") == "fine"
        machine.runtime.broken.clear()
        await asyncio.sleep(1.1)
        assert await machine.ask("m0", "mended") == "mended"


async def test_clients_that_leave_free_their_places_and_want_nothing(tmp_path: Path) -> None:
    """A model that nobody waits for any more is not loaded when its turn comes."""
    async with Machine(tmp_path, entries(tmp_path, 3), holds=1) as machine:
        machine.runtime.may_load.clear()
        first = asyncio.create_task(machine.ask("m0"))
        await until(lambda: machine.runtime.loads == ["m0"])
        left = [asyncio.create_task(machine.ask("m1")) for _ in range(5)]
        await until(lambda: machine.workers[0].admission.lane("m1").waiting == 5)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        assert machine.workers[0].admission.lane("m1").waiting == 0
        await until(lambda: machine.leases.waiting() == ["m0"])
        machine.runtime.may_load.set()
        await first
        await machine.ask("m2")
        assert machine.runtime.loads == ["m0", "m2"]


async def test_the_queue_of_a_sleeping_model_is_bounded(tmp_path: Path) -> None:
    """By the same numbers as any other."""
    async with Machine(tmp_path, entries(tmp_path, 1), workers=1, limits=Limits(slots=2, queue=3)) as machine:
        machine.runtime.may_load.clear()
        tasks = [asyncio.create_task(machine.ask("m0")) for _ in range(5)]
        await until(lambda: sum(task.done() for task in tasks) == 2)
        assert all(isinstance(task.exception(), Overloaded) for task in tasks if task.done())
        machine.runtime.may_load.set()
        assert [task for task in await asyncio.gather(*tasks, return_exceptions=True) if task == "hello"] == [
            "hello"
        ] * 3


async def test_an_idle_model_leaves_and_comes_back(tmp_path: Path) -> None:
    """Its next request loads it again."""
    async with Machine(tmp_path, entries(tmp_path, 1), idle_timeout=0.15) as machine:
        await machine.ask("m0")
        await until(lambda: machine.runtime.resident == set())
        assert machine.state("m0") is ResidenceState.UNLOADED
        assert await machine.ask("m0", "again") == "again"
        assert machine.residency.residences()[0].tally.evicted == {"idle": 1}


async def test_what_is_measured_counts_when_it_is_more(tmp_path: Path) -> None:
    """A model that takes more than was thought makes others leave, and is refused when it alone takes too much."""
    async with Machine(tmp_path, entries(tmp_path, 3), holds=2) as machine:
        machine.runtime.sizes = {"m1": SIZE + 5, "m2": 3 * SIZE}
        await machine.ask("m0")
        await machine.ask("m1")
        await until(lambda: machine.runtime.resident == {"m1"})
        await machine.ask("m2")
        await until(lambda: machine.state("m2") is ResidenceState.UNLOADED)
        with pytest.raises(ModelNotReady, match="needs 60 bytes and the memory budget is 40 bytes"):
            await machine.ask("m2")


async def test_after_a_repair_only_what_was_in_memory_is_loaded_again(tmp_path: Path) -> None:
    """The others go on sleeping."""
    async with Machine(tmp_path, entries(tmp_path, 4), holds=3) as machine:
        await machine.ask("m1")
        machine.runtime.suspect("m1", "crashed")
        await until(lambda: machine.runtime.status.generation == 2)
        await until(lambda: machine.runtime.resident == {"m1"})
        assert machine.runtime.loads == ["m1"]
        await until(lambda: machine.workers[0].board.ready)
        assert await machine.ask("m2", "there") == "there"


async def test_an_operators_unload_is_for_good(tmp_path: Path) -> None:
    """Asleep or not: it is listed no longer and no request wakes it, until an operator loads it."""
    async with Machine(tmp_path, entries(tmp_path, 2)) as machine:
        await machine.ask("m0")
        for name in ("m0", "m1"):
            await machine.models.unload(name)
            with pytest.raises(ModelNotFound):
                await machine.ask(name)
        assert machine.runtime.status.models == {}
        await machine.models.load("m1")
        assert await machine.ask("m1", "back") == "back"


async def test_an_operators_load_makes_room_too(tmp_path: Path) -> None:
    """And is refused, with the numbers, when there can be none."""
    new = entries(tmp_path, 3)
    async with Machine(tmp_path, new, holds=1, footprint=lambda entry: 30 if entry.name == "m2" else SIZE) as machine:
        await machine.ask("m0")
        await machine.models.load("m1")
        assert machine.runtime.resident == {"m1"}
        with pytest.raises(ModelLoadFailed, match=r"needs 30 bytes .* is 20 bytes"):
            await machine.models.load("m2")


async def test_the_index_tells_what_sleeps(tmp_path: Path) -> None:
    """In Triton's words, with a reason."""
    async with Machine(tmp_path, entries(tmp_path, 2)) as machine:
        await machine.ask("m0")
        index = {entry.name: entry for entry in await machine.models.index()}
        assert index["m0"].state is RepositoryState.READY
        assert index["m1"].state is RepositoryState.UNAVAILABLE
        assert "a request makes it load" in index["m1"].reason


async def test_without_loading_on_demand_the_budget_only_refuses(tmp_path: Path) -> None:
    """What is served stays, and what does not fit beside it is refused with the numbers."""
    served = entries(tmp_path, 2)
    echo_tensors(tmp_path / "store", "third")
    async with Machine(tmp_path, served, holds=2, on_demand=False) as machine:
        assert machine.runtime.resident == {"m0", "m1"}
        with pytest.raises(ModelNotReady, match=r"needs 20 bytes.*budget of 40 bytes"):
            await machine.models.load("third")
        assert machine.runtime.status.models["m0"].state is ModelState.READY
        await machine.models.unload("m1")
        await machine.models.load("third")
        assert await machine.ask("third", "room") == "room"


async def test_a_worker_that_dies_holds_nothing(tmp_path: Path) -> None:
    """What it reported last is forgotten, so that its models can leave."""
    async with Machine(tmp_path, entries(tmp_path, 2), holds=1) as machine:
        ticket = await machine.workers[1].plane.tensors._dispatcher.admit("m0", Call())
        await until(lambda: machine.leases.active("m0") == 1)
        dying = machine.workers.pop()
        await dying.stop()
        await until(lambda: machine.leases.active("m0") == 0)
        assert await machine.ask("m1", "room") == "room"
        ticket.release()


async def test_a_pinned_model_that_fails_is_tried_again_and_holds_readiness_back(tmp_path: Path) -> None:
    """Nobody has to ask for it."""
    async with Machine(tmp_path, entries(tmp_path, 2), holds=2, pinned=frozenset({"m1"})) as machine:
        board = machine.workers[0].board
        machine.runtime.broken.add("m1")
        machine.runtime.report(ModelStatus("m1", ModelState.FAILED, "weights are damaged"))
        await until(lambda: machine.state("m1") is ResidenceState.FAILED)
        await until(lambda: not board.ready)
        assert "damaged" in board.explain()
        assert await machine.ask("m0", "others go on") == "others go on"
        machine.runtime.broken.clear()
        await until(lambda: board.ready)
        assert machine.runtime.loads[-1] == "m1"
