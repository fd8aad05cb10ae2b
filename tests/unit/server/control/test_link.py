from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from argosy.core.errors import (
    ArgosyError,
    DeadlineExceeded,
    InvalidRequest,
    ModelLoadFailed,
    ModelNotFound,
    RuntimeFailure,
    Unavailable,
    UnsupportedParameter,
)
from argosy.core.status import ModelState, ModelStatus, RuntimeState, RuntimeStatus
from argosy.server.control.link import StatusFollower, StatusPublisher
from argosy.server.control.linked import LinkedRepository, OrderOptions
from argosy.server.control.messages import Progress, ServedEntry, Snapshot
from argosy.server.control.repository import RepositoryEntry, RepositoryState

READY = Snapshot(
    4,
    RuntimeStatus(
        RuntimeState.READY, generation=3, address="unix:/x", models={"m": ModelStatus("m", ModelState.READY)}
    ),
    (ServedEntry("m", "/store/m", 1, required=True),),
)


class Recorder:
    """Keeps what it is told and lets a test wait for it; None stands for a lost link."""

    def __init__(self) -> None:
        self.snapshots: asyncio.Queue[Snapshot | None] = asyncio.Queue()
        self.suspects: asyncio.Queue[tuple[str, str, str]] = asyncio.Queue()

    def on_snapshot(self, snapshot: Snapshot) -> None:
        self.snapshots.put_nowait(snapshot)

    def on_lost(self) -> None:
        self.snapshots.put_nowait(None)

    def on_suspect(self, model: str, reason: str, address: str) -> None:
        self.suspects.put_nowait((model, reason, address))

    async def next(self) -> Snapshot | None:
        return await asyncio.wait_for(self.snapshots.get(), 10)


class Repository:
    """A `ModelRepository` that answers at once, or when it is let, or with an error."""

    def __init__(self) -> None:
        self.orders: list[str] = []
        self.error: ArgosyError | None = None
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def index(self, *, ready_only: bool = False) -> Sequence[RepositoryEntry]:
        self.orders.append(f"index {ready_only}")
        return [RepositoryEntry("m", "1", RepositoryState.UNAVAILABLE, "unloaded")]

    async def load(self, name: str) -> None:
        self.orders.append(f"load {name}")
        await self.may_answer.wait()
        if self.error is not None:
            raise self.error

    async def unload(self, name: str) -> None:
        self.orders.append(f"unload {name}")


class Link:
    """Both ends, connected."""

    def __init__(self, path: Path) -> None:
        self.recorder, self.repository = Recorder(), Repository()
        self.publisher = StatusPublisher(path, self.recorder.on_suspect)
        self.follower = StatusFollower(path, self.recorder.on_snapshot, self.recorder.on_lost)
        self.orders = LinkedRepository(self.follower, OrderOptions(10, 10, 10))

    async def start(self) -> None:
        await self.publisher.start(self.repository)
        self.publisher.publish(READY)
        await self.follower.start()
        assert await self.recorder.next() == READY


@pytest.fixture
async def link(tmp_path: Path) -> AsyncIterator[Link]:
    link = Link(tmp_path / "link.sock")
    await link.start()
    yield link
    await link.follower.stop()
    await link.publisher.stop()


async def test_a_follower_gets_the_newest_snapshot_at_once_and_every_change_after(link: Link) -> None:
    """A worker that connects late knows what is served and ready, and hears of changes."""
    fenced = Snapshot(5, RuntimeStatus(RuntimeState.FENCED, generation=3, reason="stub died"))
    link.publisher.publish(fenced)
    assert await link.recorder.next() == fenced


async def test_a_suspicion_reaches_the_supervisor(link: Link) -> None:
    """What a worker saw crash is told to the publisher's callback."""
    link.follower.suspect("m", "stub is not healthy", "unix:/x")
    assert await asyncio.wait_for(link.recorder.suspects.get(), 10) == ("m", "stub is not healthy", "unix:/x")


async def test_a_lost_link_is_told_and_heals_by_itself(link: Link, tmp_path: Path) -> None:
    """While the supervisor is away the worker knows that it is, and follows again once it is back."""
    await link.publisher.stop()
    assert await link.recorder.next() is None
    second = StatusPublisher(tmp_path / "link.sock", link.recorder.on_suspect)
    await second.start()
    second.publish(READY)
    while await link.recorder.next() != READY:
        pass
    await second.stop()


async def test_whatever_keeps_the_link_from_being_opened_it_is_tried_again(link: Link) -> None:
    """Not only a supervisor that is gone: a worker without a free descriptor must not stay on old news for ever."""
    opened, failures = asyncio.open_unix_connection, [OSError(24, "Too many open files"), PermissionError()]

    async def fails_twice(path: str, **options: int) -> object:
        if failures:
            raise failures.pop()
        return await opened(path, **options)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(asyncio, "open_unix_connection", fails_twice)
        await link.follower.stop()
        await link.follower.start()
        while await link.recorder.next() != READY:
            pass
    assert not failures


async def test_stopping_twice_is_harmless(tmp_path: Path) -> None:
    """Both ends may be stopped again, and the socket is gone."""
    publisher = StatusPublisher(tmp_path / "link.sock", lambda *_: None)
    await publisher.start()
    await publisher.stop()
    await publisher.stop()
    assert not (tmp_path / "link.sock").exists()
    follower = StatusFollower(tmp_path / "link.sock", lambda _snapshot: None, lambda: None)
    await follower.stop()


async def test_orders_are_carried_out_and_answered(link: Link) -> None:
    """The worker's repository is the supervisor's, one call away."""
    await link.orders.load("m")
    await link.orders.unload("m")
    assert await link.orders.index(ready_only=True) == [
        RepositoryEntry("m", "1", RepositoryState.UNAVAILABLE, "unloaded")
    ]
    assert link.repository.orders == ["load m", "unload m", "index True"]


@pytest.mark.parametrize(
    "error",
    [
        ModelLoadFailed("Model 'm' could not be loaded: no weights.", param="model"),
        ModelNotFound("There is no model 'm'."),
        UnsupportedParameter("Not here."),
        Unavailable("Overtaken.", retry_after=2.0),
    ],
    ids=lambda error: error.code,
)
async def test_an_error_arrives_with_its_class_and_words(link: Link, error: ArgosyError) -> None:
    """What the supervisor raises the worker raises."""
    link.repository.error = error
    with pytest.raises(type(error)) as caught:
        await link.orders.load("m")
    heard = caught.value
    assert type(heard) is type(error)
    assert (heard.message, heard.param, heard.retry_after) == (error.message, error.param, error.retry_after)


async def test_an_answer_that_is_too_long_costs_itself_only(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an error; the link stands."""
    monkeypatch.setattr("argosy.server.control.link._LONGEST_LINE", 200)
    link.repository.error = ModelLoadFailed("x" * 200)
    with pytest.raises(RuntimeFailure, match="too long"):
        await link.orders.load("m")
    link.repository.error = None
    await link.orders.load("m")
    assert link.recorder.snapshots.empty()


async def test_an_order_that_takes_too_long_ends_in_the_worker_and_stands(link: Link) -> None:
    """The caller hears that its order is still being carried out."""
    link.repository.may_answer.clear()
    with pytest.raises(DeadlineExceeded, match="stands"):
        await LinkedRepository(link.follower, OrderOptions(load=0.1)).load("m")
    assert link.repository.orders == ["load m"]


async def test_an_order_ends_when_the_link_is_lost(link: Link) -> None:
    """Nobody waits for an answer that cannot come."""
    link.repository.may_answer.clear()
    order = asyncio.create_task(link.orders.load("m"))
    while not link.repository.orders:
        await asyncio.sleep(0.01)
    await link.publisher.stop()
    with pytest.raises(Unavailable):
        await asyncio.wait_for(order, 10)


async def test_without_a_supervisor_an_order_is_refused_at_once(tmp_path: Path) -> None:
    """A worker that has no link says so."""
    follower = StatusFollower(tmp_path / "nobody.sock", lambda _snapshot: None, lambda: None)
    with pytest.raises(Unavailable):
        await LinkedRepository(follower).index()


@pytest.mark.parametrize("name", ["../x", "a/b", "", "x" * 65, "a\0b", "Upper", "\uff4d", "..%2f"])
async def test_v4_a_name_that_is_none_never_leaves_the_worker(link: Link, name: str) -> None:
    """V4: a path or any other text that is no model name is refused before anything is asked."""
    for order in (link.orders.load, link.orders.unload):
        with pytest.raises(InvalidRequest) as caught:
            await order(name)
        assert caught.value.param == "model"
    assert link.repository.orders == []


async def test_the_supervisor_can_wait_for_every_worker(link: Link) -> None:
    """A goal is reached when each connected worker has reported it; problems are gathered."""
    assert not await link.publisher.reached(lambda progress: progress.in_force >= 4, 0.05)
    link.follower.report(Progress(4, ("old",), {"m": "no template"}))
    assert await link.publisher.reached(lambda progress: progress.in_force >= 4, 10)
    assert not await link.publisher.reached(lambda progress: "old" not in progress.busy, 0.05)
    assert link.publisher.problems() == {"m": "no template"}
    link.follower.report(Progress(4))
    assert await link.publisher.reached(lambda progress: "old" not in progress.busy, 10)


async def test_a_worker_that_has_gone_is_not_waited_for(link: Link) -> None:
    """What a worker has not reached does not matter once it is gone."""
    waiting = asyncio.create_task(link.publisher.reached(lambda progress: progress.in_force >= 9, 10))
    await asyncio.sleep(0)
    await link.follower.stop()
    assert await waiting
