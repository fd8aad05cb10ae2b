from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from argosy.core.errors import EngineCrashed, EngineError, ModelNotReady
from argosy.core.models import Task
from argosy.core.status import ModelState, ModelStatus, RuntimeState, RuntimeStatus
from argosy.runtime.contract import InferRequest, InferResponse
from argosy.server.admission.admission import Admission
from argosy.server.admission.lane import Limits
from argosy.server.catalog.board import StatusBoard
from argosy.server.catalog.catalog import Catalog
from argosy.server.dataplane.call import Call
from argosy.server.dataplane.encode import BatchOptions
from argosy.server.dataplane.plane import DataPlane
from argosy.telemetry.metrics import Metrics
from tests.suites.gateway import Encoders, encoder_entries, vector


class Setting:
    """A data plane over recorded calls."""

    def __init__(self, store: Path, *, slots: int = 8, rows: int = 64, parallel: int = 4) -> None:
        self.client = Encoders()
        self.board = StatusBoard()
        entries = encoder_entries(store)
        models = {entry.name: ModelStatus(entry.name, ModelState.READY) for entry in entries}
        self.board.update(RuntimeStatus(RuntimeState.READY, models=models))
        self.metrics = Metrics()
        self.admission = Admission(self.metrics, Limits(slots=slots))
        self.plane = DataPlane.over(
            self.client,
            self.board,
            self.admission,
            self.metrics,
            batches=BatchOptions(rows, parallel),
        )
        self.model = Catalog(entries).resolve("embedder", Task.EMBED).model


@pytest.mark.parametrize("count", [1, 3, 4, 5, 23])
async def test_a_long_list_is_cut_and_put_together_in_order(tmp_path: Path, count: int) -> None:
    """Every row once, at most `rows` in a call."""
    setting = Setting(tmp_path, rows=4)
    texts = [f"text {number}" for number in range(count)]
    found = await setting.plane.embedder.embed(setting.model, texts, Call("id"))
    np.testing.assert_array_equal(found.vectors, [vector(text) for text in texts])
    assert found.tokens == 2 * count
    sizes = [len(call.inputs["text"]) for call in setting.client.calls]
    assert max(sizes) <= 4
    assert len(sizes) == -(-count // 4)


async def test_a_model_with_smaller_batches_gets_smaller_calls(tmp_path: Path) -> None:
    """What its config allows is the most in a call, whatever the gateway would send."""
    setting = Setting(tmp_path, rows=64)
    catalog = Catalog()
    catalog.replace(encoder_entries(tmp_path), {"embedder": 3})
    model = catalog.resolve("embedder", Task.EMBED).model
    assert len((await setting.plane.embedder.embed(model, ["a"] * 7, Call())).vectors) == 7
    assert sorted(len(call.inputs["text"]) for call in setting.client.calls) == [1, 3, 3]


async def test_parts_run_side_by_side_within_the_bound(tmp_path: Path) -> None:
    """`parallel` at once, each in a slot of the lane."""
    setting = Setting(tmp_path, rows=1, parallel=3)
    setting.client.hold = asyncio.Event()
    task = asyncio.create_task(setting.plane.embedder.embed(setting.model, ["a"] * 7, Call()))
    for _ in range(20):
        await asyncio.sleep(0)
    assert setting.client.running == 3
    assert setting.admission.lane("embedder").used == 3
    setting.client.hold.set()
    assert len((await task).vectors) == 7
    assert setting.admission.lane("embedder").used == 0


async def test_a_narrow_lane_narrows_a_wide_request(tmp_path: Path) -> None:
    """It never holds more slots than the model has."""
    setting = Setting(tmp_path, rows=1, parallel=4, slots=2)
    assert len((await setting.plane.embedder.embed(setting.model, ["a"] * 5, Call())).vectors) == 5


async def test_one_failed_part_fails_the_request_and_cancels_the_rest(tmp_path: Path) -> None:
    """Nothing stays behind in the engine or the lane."""
    setting = Setting(tmp_path, rows=1, parallel=3)
    never = asyncio.Event()

    async def infer(request: InferRequest) -> InferResponse:
        if request.inputs["text"].item() == b"bad":
            raise EngineError("no")
        setting.client.running += 1
        try:
            await never.wait()
        finally:
            setting.client.running -= 1
        raise AssertionError

    setting.client.infer = infer  # type: ignore[method-assign]
    with pytest.raises(EngineError, match="no"):
        await setting.plane.embedder.embed(setting.model, ["a", "b", "bad"], Call())
    assert setting.client.running == 0
    assert setting.admission.lane("embedder").used == 0


async def test_a_crash_frees_the_slot(tmp_path: Path) -> None:
    """The error reaches the caller as it is."""
    setting = Setting(tmp_path)
    setting.client.failures["embedder"] = EngineCrashed("gone")
    with pytest.raises(EngineCrashed, match="gone"):
        await setting.plane.embedder.embed(setting.model, ["a"], Call())
    assert setting.admission.lane("embedder").used == 0


async def test_a_model_that_is_not_ready_is_not_called(tmp_path: Path) -> None:
    """Nor does it take a slot."""
    setting = Setting(tmp_path)
    setting.board.update(RuntimeStatus(RuntimeState.FENCED))
    with pytest.raises(ModelNotReady):
        await setting.plane.embedder.embed(setting.model, ["a"], Call())
    assert setting.client.calls == []
    assert setting.admission.lane("embedder").used == 0


async def test_a_model_fenced_while_a_request_waited_is_not_called(tmp_path: Path) -> None:
    """The status is looked at again when the slot is given."""
    setting = Setting(tmp_path, slots=1)
    setting.client.hold = asyncio.Event()
    first = asyncio.create_task(setting.plane.embedder.embed(setting.model, ["a"], Call()))
    await asyncio.sleep(0)
    second = asyncio.create_task(setting.plane.embedder.embed(setting.model, ["b"], Call()))
    for _ in range(5):
        await asyncio.sleep(0)
    setting.board.update(RuntimeStatus(RuntimeState.FENCED))
    setting.client.hold.set()
    await first
    with pytest.raises(ModelNotReady):
        await second
    assert len(setting.client.calls) == 1


async def test_an_answer_without_its_output_is_an_engine_error(tmp_path: Path) -> None:
    """The name of what is missing is told."""
    setting = Setting(tmp_path)

    async def infer(request: InferRequest) -> InferResponse:
        return InferResponse({})

    setting.client.infer = infer  # type: ignore[method-assign]
    with pytest.raises(EngineError, match="embedding"):
        await setting.plane.embedder.embed(setting.model, ["a"], Call())
