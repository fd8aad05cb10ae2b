"""Reliability case T5: when to give up, on the real server."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from argosy.core.status import ModelState, RuntimeState
from argosy.runtime.triton.client import TritonClient
from argosy.runtime.triton.locate import TritonInstallation
from argosy.runtime.triton.supervisor import SupervisorOptions, TritonSupervisor
from argosy.store.entries import ModelEntry
from tests.integration.conftest import left_over
from tests.suites.echo_models import echo_tensors, python_model
from tests.suites.runtime_contract import GENEROUS, ask, until_ready

pytestmark = [pytest.mark.triton, pytest.mark.alone]

DIES_SOON_AFTER = """
import os, threading, time
import triton_python_backend_utils as pb_utils
class TritonPythonModel:
    def execute(self, requests):
        threading.Timer(0.2, os._exit, [9]).start()
        inputs = [pb_utils.get_input_tensor_by_name(request, "numbers").as_numpy() for request in requests]
        return [pb_utils.InferenceResponse([pb_utils.Tensor("numbers", numbers)]) for numbers in inputs]
"""


@asynccontextmanager
async def impatient(
    installation: TritonInstallation, run_directory: Path, entries: list[ModelEntry], slept: list[float]
) -> AsyncIterator[TritonSupervisor]:
    """A supervisor that writes down its pauses instead of taking them, and whose chance is always a half."""

    async def write_down(seconds: float) -> None:
        slept.append(seconds)

    options = SupervisorOptions(run_directory)
    supervisor = TritonSupervisor(installation, entries, options, chance=lambda: 0.5, sleep=write_down)
    await supervisor.start()
    try:
        yield supervisor
    finally:
        await supervisor.stop()
    assert left_over(run_directory) == []


async def test_t5_crash_loop_is_given_up_after_more_than_five(installation: TritonInstallation, tmp_path: Path) -> None:
    """T5: five crashes in a row heal with exact pauses; the sixth is given up on, and nothing runs any more."""
    slept: list[float] = []
    async with impatient(installation, tmp_path / "run", [echo_tensors(tmp_path)], slept) as supervisor:
        for generation in range(1, 7):
            await until_ready(supervisor, generation - 1)
            psutil.Process(supervisor.pid).kill()
        async with asyncio.timeout(GENEROUS):
            while supervisor.status.state is not RuntimeState.FAILED:
                await asyncio.sleep(0.02)
        assert slept == [pause * 1.05 for pause in (0.5, 1.0, 2.0, 4.0)]
        assert supervisor.status.restarts == 5
        assert "given up" in supervisor.status.reason
        assert supervisor.status.address == ""
        assert left_over(tmp_path / "run") == []
        used = sum(os.times()[:2])
        await asyncio.sleep(0.5)
        assert sum(os.times()[:2]) - used < 0.05


async def test_t5_model_that_crashes_the_runtime_is_left_out(installation: TritonInstallation, tmp_path: Path) -> None:
    """A model whose process dies again and again is failed alone; then the others serve undisturbed."""
    entries = [python_model(tmp_path, "mortal", DIES_SOON_AFTER), echo_tensors(tmp_path)]
    async with impatient(installation, tmp_path / "run", entries, []) as supervisor:
        async with asyncio.timeout(2 * GENEROUS):
            while supervisor.status.models["mortal"].state is not ModelState.FAILED:
                await asyncio.sleep(0.02)
        await until_ready(supervisor, 6)
        assert "too often" in supervisor.status.models["mortal"].reason
        client = TritonClient(supervisor.status.address)
        assert (await client.infer(ask())).outputs
        await client.close()
        assert supervisor.status.restarts == 6
