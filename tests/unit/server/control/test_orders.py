from __future__ import annotations

import asyncio

import pytest

from argosy.core.errors import ModelLoadFailed, Unavailable
from argosy.server.control.orders import Orders, Verb


class Work:
    """Carries orders out when it is let, and keeps what it did."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.running: dict[str, int] = {}
        self.most = 0
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        self.error: Exception | None = None
        self.loaded: set[str] = set()

    async def carry_out(self, verb: Verb, name: str) -> None:
        self.running[name] = self.running.get(name, 0) + 1
        self.most = max(self.most, self.running[name])
        try:
            await self.may_go_on.wait()
            await asyncio.sleep(0)
            if self.error is not None:
                raise self.error
            self.done.append(f"{verb} {name}")
            (self.loaded.add if verb is Verb.LOAD else self.loaded.discard)(name)
        finally:
            self.running[name] -= 1


async def begun(work: Work, name: str) -> None:
    async with asyncio.timeout(10):
        while not work.running.get(name):
            await asyncio.sleep(0)


@pytest.mark.parametrize("last", list(Verb))
async def test_t6_two_hundred_orders_at_once_are_serialised_and_the_last_one_decides(last: Verb) -> None:
    """T6: never two at once for a model, every order ends, and the model ends as the last one said."""
    work = Work()
    orders = Orders(work.carry_out)
    verbs = [Verb.LOAD if index % 3 else Verb.UNLOAD for index in range(199)] + [last]
    results = await asyncio.gather(*(orders.give(verb, "m") for verb in verbs), return_exceptions=True)
    assert work.most == 1
    assert ("m" in work.loaded) is (last is Verb.LOAD)
    assert results[-1] is None
    assert all(result is None or isinstance(result, Unavailable) for result in results)
    assert orders.under_way("m") is None


async def test_an_order_equal_to_the_waiting_one_shares_its_outcome() -> None:
    """Ten loads while one is under way make one more."""
    work = Work()
    work.may_go_on.clear()
    orders = Orders(work.carry_out)
    first = asyncio.create_task(orders.give(Verb.LOAD, "m"))
    await begun(work, "m")
    rest = [asyncio.create_task(orders.give(Verb.LOAD, "m")) for _ in range(10)]
    await asyncio.sleep(0)
    work.may_go_on.set()
    await asyncio.gather(first, *rest)
    assert work.done == ["load m", "load m"]


async def test_orders_for_other_models_do_not_wait() -> None:
    """Each model has a line of its own."""
    work = Work()
    work.may_go_on.clear()
    orders = Orders(work.carry_out)
    given = [asyncio.create_task(orders.give(Verb.LOAD, name)) for name in ("a", "b")]
    await begun(work, "a")
    await begun(work, "b")
    assert orders.under_way("b") is Verb.LOAD
    work.may_go_on.set()
    await asyncio.gather(*given)


async def test_an_overtaken_order_says_so() -> None:
    """A load that waits ends when an unload comes after it."""
    work = Work()
    work.may_go_on.clear()
    orders = Orders(work.carry_out)
    first = asyncio.create_task(orders.give(Verb.LOAD, "m"))
    await begun(work, "m")
    overtaken = asyncio.create_task(orders.give(Verb.LOAD, "m"))
    await asyncio.sleep(0)
    last = asyncio.create_task(orders.give(Verb.UNLOAD, "m"))
    with pytest.raises(Unavailable, match="newer order"):
        await overtaken
    work.may_go_on.set()
    await asyncio.gather(first, last)
    assert work.done == ["load m", "unload m"]


async def test_an_order_stands_when_the_one_who_gave_it_leaves() -> None:
    """Cancelling the wait does not cancel the work."""
    work = Work()
    work.may_go_on.clear()
    orders = Orders(work.carry_out)
    given = asyncio.create_task(orders.give(Verb.LOAD, "m"))
    await begun(work, "m")
    given.cancel()
    await asyncio.gather(given, return_exceptions=True)
    work.may_go_on.set()
    await orders.give(Verb.LOAD, "m")
    assert work.done == ["load m", "load m"]


async def test_a_failure_reaches_the_one_who_ordered_and_the_next_order_works() -> None:
    """One failed order does not spoil the line."""
    work = Work()
    orders = Orders(work.carry_out)
    work.error = ModelLoadFailed("no")
    with pytest.raises(ModelLoadFailed):
        await orders.give(Verb.LOAD, "m")
    work.error = None
    await orders.give(Verb.LOAD, "m")
    assert work.done == ["load m"]


async def test_stop_ends_every_wait() -> None:
    """Orders under way and waiting end when the server goes."""
    work = Work()
    work.may_go_on.clear()
    orders = Orders(work.carry_out)
    given = [asyncio.create_task(orders.give(Verb.LOAD, "m"))]
    await begun(work, "m")
    given.append(asyncio.create_task(orders.give(Verb.UNLOAD, "m")))
    await asyncio.sleep(0)
    await orders.stop()
    results = await asyncio.wait_for(asyncio.gather(*given, return_exceptions=True), 10)
    assert all(isinstance(result, Unavailable) for result in results)
    with pytest.raises(Unavailable):
        await orders.give(Verb.LOAD, "m")
