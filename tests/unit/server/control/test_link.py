from __future__ import annotations

import asyncio
from pathlib import Path

from argosy.core.status import ModelState, ModelStatus, RuntimeState, RuntimeStatus
from argosy.server.control.link import StatusFollower, StatusPublisher

READY = RuntimeStatus(
    RuntimeState.READY, generation=3, address="unix:/x", models={"m": ModelStatus("m", ModelState.READY)}
)


class Recorder:
    """Keeps what it is told and lets a test wait for it."""

    def __init__(self) -> None:
        self.statuses: asyncio.Queue[RuntimeStatus] = asyncio.Queue()
        self.suspects: asyncio.Queue[tuple[str, str, str]] = asyncio.Queue()

    def on_status(self, status: RuntimeStatus) -> None:
        self.statuses.put_nowait(status)

    def on_suspect(self, model: str, reason: str, address: str) -> None:
        self.suspects.put_nowait((model, reason, address))

    async def next_status(self) -> RuntimeStatus:
        return await asyncio.wait_for(self.statuses.get(), 10)


async def test_a_follower_gets_the_newest_snapshot_at_once_and_every_change_after(tmp_path: Path) -> None:
    """A worker that connects late knows what is ready, and hears of changes."""
    recorder = Recorder()
    publisher = StatusPublisher(tmp_path / "link.sock", recorder.on_suspect)
    follower = StatusFollower(tmp_path / "link.sock", recorder.on_status)
    await publisher.start()
    publisher.publish(READY)
    await follower.start()
    assert await recorder.next_status() == READY
    fenced = RuntimeStatus(RuntimeState.FENCED, generation=3, reason="stub died")
    publisher.publish(fenced)
    assert await recorder.next_status() == fenced
    await follower.stop()
    await publisher.stop()


async def test_a_suspicion_reaches_the_supervisor(tmp_path: Path) -> None:
    """What a worker saw crash is told to the publisher's callback."""
    recorder = Recorder()
    publisher = StatusPublisher(tmp_path / "link.sock", recorder.on_suspect)
    follower = StatusFollower(tmp_path / "link.sock", recorder.on_status)
    await publisher.start()
    publisher.publish(READY)
    await follower.start()
    await recorder.next_status()
    follower.suspect("m", "stub is not healthy", "unix:/x")
    assert await asyncio.wait_for(recorder.suspects.get(), 10) == ("m", "stub is not healthy", "unix:/x")
    await follower.stop()
    await publisher.stop()


async def test_a_lost_link_means_stopped_and_heals_by_itself(tmp_path: Path) -> None:
    """While the supervisor is away the worker reports STOPPED, and follows again once it is back."""
    recorder = Recorder()
    publisher = StatusPublisher(tmp_path / "link.sock", recorder.on_suspect)
    follower = StatusFollower(tmp_path / "link.sock", recorder.on_status)
    await publisher.start()
    publisher.publish(READY)
    await follower.start()
    assert (await recorder.next_status()).ready
    await publisher.stop()
    assert (await recorder.next_status()).state is RuntimeState.STOPPED
    second = StatusPublisher(tmp_path / "link.sock", recorder.on_suspect)
    await second.start()
    second.publish(READY)
    while not (await recorder.next_status()).ready:
        pass
    await follower.stop()
    await second.stop()


async def test_stopping_twice_is_harmless(tmp_path: Path) -> None:
    """Both ends may be stopped again, and the socket is gone."""
    publisher = StatusPublisher(tmp_path / "link.sock", lambda *_: None)
    await publisher.start()
    await publisher.stop()
    await publisher.stop()
    assert not (tmp_path / "link.sock").exists()
    follower = StatusFollower(tmp_path / "link.sock", lambda _status: None)
    await follower.stop()
