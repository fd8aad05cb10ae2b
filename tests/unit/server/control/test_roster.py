from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from argosy.core.deadline import NEVER
from argosy.core.errors import ArgosyError, ModelNotFound, ModelNotReady
from argosy.core.models import Task
from argosy.core.status import ModelState, ModelStatus, RuntimeState, RuntimeStatus
from argosy.engines.deployment import Lengths
from argosy.server.admission.admission import Admission
from argosy.server.admission.drain import Drain
from argosy.server.catalog.board import StatusBoard
from argosy.server.catalog.catalog import Catalog
from argosy.server.control.messages import Progress, ServedEntry, Snapshot
from argosy.server.control.roster import Roster
from argosy.server.text.templates import ChatTemplates
from argosy.store.entries import ModelEntry
from argosy.telemetry.metrics import Metrics
from tests.suites.echo_models import echo_chat

TEMPLATE = "{% for message in messages %}{{ message.content }}{% endfor %}"
MESSAGES = [{"role": "user", "content": "hello"}]


class Request:
    """A request in flight for a model."""

    def __init__(self, model: str) -> None:
        self.model = model
        self.ended_with: ArgosyError | None = None

    def interrupt(self, error: ArgosyError) -> None:
        self.ended_with = error


class Worker:
    """The parts of a worker that a roster keeps."""

    def __init__(self, drain_seconds: float = 30.0, lengths: Lengths | None = None) -> None:
        self.catalog, self.templates, self.board, self.drain = Catalog(), ChatTemplates(), StatusBoard(), Drain()
        self.admission = Admission(Metrics())
        self.releases = 0
        self.reports: asyncio.Queue[Progress] = asyncio.Queue()
        self.roster = Roster(
            self.catalog,
            self.templates,
            self.board,
            admission=self.admission,
            drain=self.drain,
            report=self.reports.put_nowait,
            release=self.release,
            drain_seconds=drain_seconds,
            lengths=lengths,
        )

    async def release(self) -> None:
        self.releases += 1

    @property
    def listed(self) -> list[str]:
        return [model.name for model in self.catalog.models]

    async def until(self, progress: Progress) -> None:
        async with asyncio.timeout(20):
            while await self.reports.get() != progress:
                pass


def chat(store: Path, name: str, template: str = TEMPLATE) -> ModelEntry:
    entry = echo_chat(store, name)
    (entry.newest / "chat.jinja").write_text(template)
    spec = entry.directory / "argosy.yaml"
    spec.write_text(spec.read_text().replace("context_length", "chat_template: chat.jinja, context_length"))
    return entry


def snapshot(revision: int, *entries: ModelEntry, stamp: int = 0, state: ModelState = ModelState.READY) -> Snapshot:
    models = {entry.name: ModelStatus(entry.name, state) for entry in entries}
    served = tuple(ServedEntry(entry.name, str(entry.directory), stamp, required=True) for entry in entries)
    return Snapshot(revision, RuntimeStatus(RuntimeState.READY, models=models), served)


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    worker = Worker()
    yield worker
    await worker.roster.stop()
    await worker.templates.stop()


async def test_the_first_snapshot_is_in_force_when_the_start_returns(worker: Worker, tmp_path: Path) -> None:
    """A worker never says that a served model does not exist, and its chat works at once."""
    worker.roster.hear(snapshot(3, chat(tmp_path, "parrot")))
    await worker.roster.start()
    assert worker.listed == ["parrot"]
    assert worker.board.ready
    assert await worker.templates.render("parrot", MESSAGES) == "hello"
    await worker.until(Progress(3))


async def test_a_model_comes_and_goes(worker: Worker, tmp_path: Path) -> None:
    """It is listed with its template, and gone with it once nothing asks for it."""
    first, second = chat(tmp_path, "first"), chat(tmp_path, "second")
    worker.roster.hear(snapshot(0, first))
    await worker.roster.start()
    worker.roster.hear(snapshot(1, first, second))
    await worker.until(Progress(1))
    assert worker.listed == ["first", "second"]
    assert worker.templates.has("second")
    worker.roster.hear(snapshot(2, first))
    await worker.until(Progress(2))
    assert worker.listed == ["first"]
    assert not worker.templates.has("second")


async def test_a_request_in_flight_keeps_its_model_busy_and_its_template(worker: Worker, tmp_path: Path) -> None:
    """Unlisted at once, let go when the last request has ended."""
    entry = chat(tmp_path, "parrot")
    worker.roster.hear(snapshot(0, entry))
    await worker.roster.start()
    handle = worker.drain.enter(lambda _error: None, Request("parrot"))
    ticket = await worker.admission.enter("parrot", NEVER, 1)
    worker.roster.hear(snapshot(1))
    await worker.until(Progress(1, ("parrot",)))
    assert worker.listed == []
    assert await worker.templates.render("parrot", MESSAGES) == "hello"
    worker.drain.leave(handle)
    await asyncio.sleep(0.2)
    assert worker.reports.empty()
    assert worker.releases == 0
    ticket.release()
    await worker.until(Progress(1))
    assert worker.releases == 1
    assert not worker.templates.has("parrot")


async def test_a_request_that_goes_on_too_long_is_ended(tmp_path: Path) -> None:
    """After the drain time the request gets an error, others nothing."""
    worker = Worker(drain_seconds=0.05)
    worker.roster.hear(snapshot(0, chat(tmp_path, "parrot")))
    await worker.roster.start()
    mine, other = Request("parrot"), Request("another")
    worker.drain.enter(mine.interrupt, mine)
    worker.drain.enter(other.interrupt, other)
    worker.roster.hear(snapshot(1))
    async with asyncio.timeout(20):
        while mine.ended_with is None:
            await asyncio.sleep(0.01)
    assert isinstance(mine.ended_with, ModelNotFound)
    assert other.ended_with is None
    await worker.roster.stop()
    await worker.templates.stop()


async def test_a_model_that_comes_back_while_it_leaves_stays(worker: Worker, tmp_path: Path) -> None:
    """Its template is the new one and it is busy no longer."""
    entry = chat(tmp_path, "parrot")
    worker.roster.hear(snapshot(0, entry))
    await worker.roster.start()
    worker.drain.enter(lambda _error: None, Request("parrot"))
    worker.roster.hear(snapshot(1))
    await worker.until(Progress(1, ("parrot",)))
    (entry.newest / "chat.jinja").write_text("new")
    worker.roster.hear(snapshot(2, entry, stamp=1))
    await worker.until(Progress(2))
    assert await worker.templates.render("parrot", MESSAGES) == "new"


async def test_a_served_model_once_found_stays_usable(worker: Worker, tmp_path: Path) -> None:
    """A request that was resolved before an unload keeps its model."""
    worker.roster.hear(snapshot(0, chat(tmp_path, "parrot")))
    await worker.roster.start()
    model = worker.catalog.resolve("parrot", Task.GENERATE).model
    worker.roster.hear(snapshot(1))
    await worker.until(Progress(1))
    assert model.spec.name == "parrot"
    with pytest.raises(ModelNotFound):
        worker.catalog.resolve("parrot", Task.GENERATE)


async def test_a_broken_template_is_reported_and_the_others_are_served(worker: Worker, tmp_path: Path) -> None:
    """The supervisor hears the reason by name."""
    good, bad = chat(tmp_path, "good"), chat(tmp_path, "bad", "{% for %}")
    worker.roster.hear(snapshot(0, good, bad))
    await worker.roster.start()
    progress = await asyncio.wait_for(worker.reports.get(), 20)
    assert progress.in_force == 0
    assert list(progress.problems) == ["bad"]
    assert worker.templates.has("good")
    assert not worker.templates.has("bad")


async def test_an_entry_that_cannot_be_read_is_not_listed(worker: Worker, tmp_path: Path) -> None:
    """The others are, and the reason is reported."""
    good, gone = chat(tmp_path, "good"), chat(tmp_path, "gone")
    (gone.directory / "argosy.yaml").unlink()
    worker.roster.hear(snapshot(0, good, gone))
    await worker.roster.start()
    assert worker.listed == ["good"]
    assert "argosy.yaml" in (await asyncio.wait_for(worker.reports.get(), 20)).problems["gone"]


async def test_trouble_is_known_at_once(worker: Worker, tmp_path: Path) -> None:
    """A fence takes effect before the models are looked at, and so does the loss of the supervisor."""
    worker.roster.hear(snapshot(0, chat(tmp_path, "parrot")))
    await worker.roster.start()
    worker.board.check("parrot")
    worker.roster.lost()
    with pytest.raises(ModelNotReady, match="supervisor"):
        worker.board.check("parrot")


async def test_a_model_that_is_not_required_does_not_hold_readiness_back(worker: Worker, tmp_path: Path) -> None:
    """An adapter that loads anew must not take the server out of service."""
    entry = chat(tmp_path, "parrot")
    status = RuntimeStatus(RuntimeState.READY, models={"parrot": ModelStatus("parrot", ModelState.LOADING)})
    worker.roster.hear(Snapshot(0, status, (ServedEntry("parrot", str(entry.directory), 0, required=False),)))
    await worker.roster.start()
    assert worker.board.ready
    with pytest.raises(ModelNotReady):
        worker.board.check("parrot")


async def test_a_limit_on_lengths_is_what_clients_are_told(tmp_path: Path) -> None:
    """The engines hold it too, so that nobody is told of a context that there is not."""
    worker = Worker(lengths=Lengths(model=64))
    worker.roster.hear(snapshot(0, chat(tmp_path, "parrot")))
    await worker.roster.start()
    try:
        assert [model.max_tokens for model in worker.catalog.models] == [64]
    finally:
        await worker.roster.stop()
        await worker.templates.stop()


@pytest.mark.parametrize(("config", "rows"), [("max_batch_size: 8", 8), ("", 0), ("max_batch_size: {", 0)])
async def test_a_model_is_listed_with_its_batch_size(worker: Worker, tmp_path: Path, config: str, rows: int) -> None:
    """So that no call is larger than its config allows; a config that cannot be read is Triton's to refuse."""
    entry = chat(tmp_path, "parrot")
    (entry.directory / "config.pbtxt").write_text(config)
    worker.roster.hear(snapshot(0, entry))
    await worker.roster.start()
    assert worker.catalog.get("parrot").max_batch_size == rows
