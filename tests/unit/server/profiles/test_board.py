"""The profiles of served models, asked for while they are served."""

from __future__ import annotations

import asyncio
import threading

import pytest

from argosy.core.errors import DeadlineExceeded, ModelNotFound
from argosy.server.artifacts.places import bundled_store
from argosy.server.catalog.catalog import Catalog
from argosy.server.probe.host import Host
from argosy.server.profiles import board as module
from argosy.server.profiles.board import ProfileBoard
from argosy.store.entries import list_entries, read_entry
from tests.suites.hosts import described

CATALOG = Catalog([read_entry(folder) for folder in list_entries(bundled_store())], {"again": "abacus"})
HOST = described("this-machine")


async def test_every_model_is_judged_once() -> None:
    """An alias is no further model; memory is known because the entry's place is."""
    view = await ProfileBoard(CATALOG, look=lambda: HOST).view()
    assert view.selections[0].model == "abacus"
    assert len(view.selections) == 4
    assert all(selection.chosen is not None and selection.chosen.demand for selection in view.selections)


async def test_models_are_asked_for_by_public_name() -> None:
    """An unknown one is an error."""
    board = ProfileBoard(CATALOG, look=lambda: HOST)
    assert [selection.model for selection in (await board.view(["again"])).selections] == ["abacus"]
    with pytest.raises(ModelNotFound):
        await board.view(["nope"])


async def test_calls_at_one_time_share_one_look() -> None:
    """And later ones ask for nothing that does not change."""
    looks: list[int] = []
    go = threading.Event()

    def look() -> Host:
        looks.append(1)
        go.wait(10)
        return HOST

    board = ProfileBoard(CATALOG, look=look)
    first = asyncio.create_task(board.view(["abacus"]))
    second = asyncio.create_task(board.view())
    left = asyncio.create_task(board.view())
    await asyncio.sleep(0)
    left.cancel()
    go.set()
    await asyncio.gather(first, second)
    await board.view()
    assert looks == [1]
    assert left.cancelled()


async def test_a_machine_that_does_not_answer_is_told_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The request ends; the look goes on and its result is used later."""
    monkeypatch.setattr(module, "_SECONDS", 0.01)
    go = threading.Event()

    def look() -> Host:
        go.wait(10)
        return HOST

    board = ProfileBoard(CATALOG, look=look)
    with pytest.raises(DeadlineExceeded, match="nvidia-smi"):
        await board.view()
    go.set()
    monkeypatch.setattr(module, "_SECONDS", 10.0)
    assert (await board.view()).host == HOST
