"""Models that do not load, and leaving while models load: reliability cases T4 and T12."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from argosy.core.deadline import Deadline
from argosy.core.errors import ModelNotReady
from argosy.core.status import ModelState, RuntimeState
from argosy.runtime.contract import InferRequest
from argosy.runtime.triton.generation import WatchOptions
from argosy.runtime.triton.locate import TritonInstallation
from argosy.runtime.triton.supervisor import SupervisorOptions, TritonSupervisor
from tests.integration.conftest import Serve, left_over
from tests.suites.echo_models import echo_chat, echo_tensors, python_model
from tests.suites.runtime_contract import GENEROUS, ask, listen, prompt

pytestmark = [pytest.mark.triton, pytest.mark.alone]

SLEEPS_IN_INITIALIZE = """
import time
class TritonPythonModel:
    def initialize(self, args):
        time.sleep(600)
    def execute(self, requests):
        return []
"""

RAISES_IN_INITIALIZE = """
class TritonPythonModel:
    def initialize(self, args):
        raise ValueError("the weights are missing")
    def execute(self, requests):
        return []
"""

DIES_IN_INITIALIZE = """
import os
class TritonPythonModel:
    def initialize(self, args):
        os._exit(3)
    def execute(self, requests):
        return []
"""

ONCE = """
    def initialize(self, args):
        import os, time
        from pathlib import Path
        first = Path(args["model_repository"]).resolve() / "first"
        if not first.exists():
            first.touch()
            {act}
"""

NEVER_ANSWERS = """
import time
class TritonPythonModel:
    def execute(self, requests):
        time.sleep(600)
"""

SERVES_NUMBERS = """
import triton_python_backend_utils as pb_utils
class TritonPythonModel:
    def execute(self, requests):
        inputs = [pb_utils.get_input_tensor_by_name(request, "numbers").as_numpy() for request in requests]
        return [pb_utils.InferenceResponse([pb_utils.Tensor("numbers", numbers)]) for numbers in inputs]
"""

A_SECOND_TO_FINISH = (
    SERVES_NUMBERS
    + """
    def finalize(self):
        import time
        time.sleep(1)
"""
)

SLOW_TO_FINISH = """
import time
import triton_python_backend_utils as pb_utils
class TritonPythonModel:
    def execute(self, requests):
        inputs = [pb_utils.get_input_tensor_by_name(request, "numbers").as_numpy() for request in requests]
        return [pb_utils.InferenceResponse([pb_utils.Tensor("numbers", numbers)]) for numbers in inputs]
    def finalize(self):
        time.sleep(600)
"""


def numbers() -> InferRequest:
    """A request to a model of the plain python backend."""
    return InferRequest("model", {"numbers": np.zeros((1, 2), np.float32)}, deadline=Deadline.after(GENEROUS))


@pytest.mark.parametrize(
    ("code", "within", "reason"),
    [
        (RAISES_IN_INITIALIZE, 3, "the weights are missing"),
        (SLEEPS_IN_INITIALIZE, 3, "did not load within 3 s"),
        # Its load is tried twice.
        (DIES_IN_INITIALIZE, 30, "not healthy"),
        (NEVER_ANSWERS, 3, "did not answer its first request"),
        ("def broken(", 3, "was never closed"),
    ],
    ids=["raises", "sleeps", "dies", "silent", "syntax"],
)
async def test_t4_broken_model_fails_alone(
    triton: Serve, tmp_path: Path, code: str, within: float, reason: str
) -> None:
    """T4: a model that cannot come up is failed with the reason by its deadline; the others serve."""
    entries = [python_model(tmp_path, "broken", code), echo_tensors(tmp_path), echo_chat(tmp_path)]
    async with triton(entries, WatchOptions(load_deadline=within, canary_timeout=1)) as served:
        status = served.supervisor.status
        assert status.state is RuntimeState.READY
        assert status.models["broken"].state is ModelState.FAILED
        assert reason in status.models["broken"].reason
        assert "Traceback" not in status.models["broken"].reason
        assert not status.ready
        assert (await served.client.infer(ask())).outputs
        assert (await listen(served.client, prompt()))[-1].final
        assert "broken" not in served.stubs
        with pytest.raises(ModelNotReady):
            await served.client.infer(ask("broken"))


@pytest.mark.parametrize("act", ["time.sleep(600)", "os._exit(3)"], ids=["hangs", "dies"])
async def test_t4_a_load_that_was_lost_is_tried_once_more(triton: Serve, tmp_path: Path, act: str) -> None:
    """T4: a model whose first load hung without doing anything, or whose process ended without a word, serves."""
    entry = python_model(tmp_path, "model", SERVES_NUMBERS + ONCE.format(act=act))
    async with triton([entry], WatchOptions(still_load=2)) as served:
        assert served.supervisor.status.models["model"].state is ModelState.READY
        assert (await served.client.infer(numbers())).outputs
        assert served.supervisor.status.generation == 1
        assert list(served.stubs) == ["model"]


async def test_t4_the_log_tells_what_a_hanging_model_does(triton: Serve, tmp_path: Path) -> None:
    """T4: a model process that is given up on says in Triton's log what its threads were doing."""
    hangs = "from argosy.runtime.triton.host import prepare_process\n" + SLEEPS_IN_INITIALIZE.replace(
        "time.sleep", "prepare_process(); time.sleep"
    )
    async with triton([python_model(tmp_path, "hangs", hangs)], WatchOptions(load_deadline=3)) as served:
        assert served.supervisor.status.models["hangs"].state is ModelState.FAILED
        log = (served.run_directory / "triton.log").read_text()
        assert re.search(r"Current thread .*\n  File .*model.py.*in initialize", log)


async def test_t4_others_serve_while_one_loads(triton: Serve, tmp_path: Path) -> None:
    """T4: while a model hangs in loading, the others that are ready take requests."""
    async with triton([echo_tensors(tmp_path)], WatchOptions(load_deadline=4)) as served:
        loading = asyncio.create_task(served.supervisor.load(python_model(tmp_path, "hangs", SLEEPS_IN_INITIALIZE)))
        answered = 0
        while not loading.done():
            assert (await served.client.infer(ask())).outputs
            answered += 1
            await asyncio.sleep(0.05)
        assert (await loading).state is ModelState.FAILED
        assert answered > 10
        assert served.supervisor.status.generation == 1


async def test_models_can_be_loaded_and_unloaded(triton: Serve, tmp_path: Path) -> None:
    """A model can be added and taken away while others serve, and stays so after a restart."""
    async with triton([echo_tensors(tmp_path)]) as served:
        assert (await served.supervisor.load(echo_chat(tmp_path))).state is ModelState.READY
        await served.supervisor.unload("echo")
        assert set(served.supervisor.status.models) == {"parrot"}
        assert "echo" not in served.stubs
        with pytest.raises(ModelNotReady):
            await served.client.infer(ask())
        served.kill(served.supervisor.pid)
        await served.healed(1)
        assert set(served.supervisor.status.models) == {"parrot"}
        assert (await listen(served.client, prompt()))[-1].final


async def test_a_model_that_streams_is_gone_soon_after_its_unload(triton: Serve, tmp_path: Path) -> None:
    """Streams that clients keep for later requests hold it in Triton only until they are told to let go."""
    async with triton([echo_chat(tmp_path)], WatchOptions(load_deadline=600)) as served:
        for _ in range(3):
            assert (await listen(served.client, prompt()))[-1].final
        await served.client.release()
        async with asyncio.timeout(GENEROUS):
            await served.supervisor.unload("parrot")
        assert served.stubs == {}
        assert served.supervisor.status.generation == 1


async def test_loading_again_replaces(triton: Serve, tmp_path: Path) -> None:
    """Loading an entry of the same name takes its new form."""
    async with triton([echo_tensors(tmp_path / "old", max_tokens=1)]) as served:
        await served.supervisor.load(echo_tensors(tmp_path / "new", max_tokens=10))
        assert (await served.client.infer(ask("echo", "five words are now allowed"))).outputs
        assert served.supervisor.status.generation == 1


@pytest.mark.parametrize("code", [RAISES_IN_INITIALIZE, DIES_IN_INITIALIZE, SLEEPS_IN_INITIALIZE])
async def test_t7_a_new_form_that_does_not_load_leaves_the_old_one_serving(
    triton: Serve, tmp_path: Path, code: str
) -> None:
    """T7: no request fails, the old form is still wanted after a restart, and nothing of the new one is left."""
    good = python_model(tmp_path / "old", "model", SERVES_NUMBERS)
    bad = python_model(tmp_path / "new", "model", code)
    async with triton([good, echo_tensors(tmp_path)], WatchOptions(load_deadline=3)) as served:
        before = served.stubs["model"]
        loading = asyncio.create_task(served.supervisor.load(bad))
        answered = 0
        while not loading.done():
            assert (await served.client.infer(numbers())).outputs
            answered += 1
            await asyncio.sleep(0.02)
        status = await loading
        assert (status.state, answered > 0) == (ModelState.FAILED, True)
        assert served.supervisor.status.models["model"].state is ModelState.READY
        assert served.supervisor.status.generation == 1
        assert served.stubs["model"] == before
        assert (await served.client.infer(numbers())).outputs
        served.kill(served.stubs["model"])
        await served.healed(1)
        assert served.supervisor.status.ready
        assert (await served.client.infer(numbers())).outputs


async def test_t7_a_new_form_takes_over_without_a_failed_request(triton: Serve, tmp_path: Path) -> None:
    """T7: while a model loads anew the old form answers, and the end of its process is no fault."""
    old = python_model(tmp_path / "old", "model", SERVES_NUMBERS)
    new = python_model(tmp_path / "new", "model", SERVES_NUMBERS)
    async with triton([old]) as served:
        before = served.stubs["model"]
        loading = asyncio.create_task(served.supervisor.load(new))
        while not loading.done():
            assert (await served.client.infer(numbers())).outputs
            assert served.supervisor.status.models["model"].state is ModelState.READY
            await asyncio.sleep(0.02)
        assert (await loading).state is ModelState.READY
        async with asyncio.timeout(GENEROUS):
            while served.stubs.get("model") in {before, None}:
                await asyncio.sleep(0.05)
        assert (await served.client.infer(numbers())).outputs
        await asyncio.sleep(0.5)
        assert (served.supervisor.status.generation, served.supervisor.status.restarts) == (1, 0)


async def test_loading_what_is_loaded_does_not_mistake_the_end_of_the_former_form(
    triton: Serve, tmp_path: Path
) -> None:
    """Loaded again while the form before it still ends, a model goes on, and no fault is seen in that end."""
    old = python_model(tmp_path / "old", "model", A_SECOND_TO_FINISH)
    new = python_model(tmp_path / "new", "model", A_SECOND_TO_FINISH)
    async with triton([old]) as served:
        before = served.stubs["model"]
        # The second may still replace the first; Triton leaves the third as it is.
        for _ in range(3):
            await served.supervisor.load(new)
        async with asyncio.timeout(GENEROUS):
            while psutil.pid_exists(before):
                await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
        assert (await served.client.infer(numbers())).outputs
        assert (served.supervisor.status.generation, served.supervisor.status.restarts) == (1, 0)


async def test_a_model_is_gone_while_the_client_that_used_it_streams_from_another(
    triton: Serve, tmp_path: Path
) -> None:
    """What a connection does for one model keeps no other in memory."""
    store = tmp_path / "store"
    entries = [echo_chat(store, "parrot"), echo_chat(store, "talker", parameters={"delay_ms": "50"})]
    async with triton(entries) as served:
        assert (await listen(served.client, prompt()))[-1].final
        talk = served.client.stream(prompt("talker", "w " * 900))
        await anext(talk)
        await served.client.release()
        async with asyncio.timeout(10):
            await served.supervisor.unload("parrot")
        assert not (await anext(talk)).final
        await talk.aclose()


async def test_what_was_unloaded_while_the_server_is_down_stays_unloaded(triton: Serve, tmp_path: Path) -> None:
    """The wish counts, not the moment."""
    async with triton([echo_tensors(tmp_path), echo_chat(tmp_path)]) as served:
        served.kill(served.supervisor.pid)
        async with asyncio.timeout(GENEROUS):
            while served.supervisor.status.state is RuntimeState.READY:
                await asyncio.sleep(0.001)
        await served.supervisor.unload("echo")
        await served.healed(1)
        assert set(served.supervisor.status.models) == {"parrot"}
        assert "echo" not in served.stubs


@pytest.mark.parametrize("moment", ["load", "unload", "start"])
async def test_t12_leaves_in_time(installation: TritonInstallation, tmp_path: Path, moment: str) -> None:
    """T12: told to go while a model loads, unloads, or while starting, everything is gone within the grace."""
    run_directory = tmp_path / "run"
    grace = 4.0
    entries = [echo_tensors(tmp_path), python_model(tmp_path, "last", SLOW_TO_FINISH)]
    supervisor = TritonSupervisor(installation, entries, SupervisorOptions(run_directory, exit_grace=grace))
    hangs = python_model(tmp_path, "hangs", SLEEPS_IN_INITIALIZE)
    if moment == "start":
        supervisor = TritonSupervisor(
            installation, [*entries, hangs], SupervisorOptions(run_directory, exit_grace=grace)
        )
        work = asyncio.create_task(supervisor.start())
        async with asyncio.timeout(GENEROUS):
            while supervisor.status.models["last"].state is not ModelState.READY:
                await asyncio.sleep(0.05)
    else:
        await supervisor.start()
        work = asyncio.create_task(supervisor.load(hangs) if moment == "load" else supervisor.unload("last"))
    await asyncio.sleep(0.5)
    began = time.monotonic()
    await supervisor.stop()
    assert time.monotonic() - began < grace + 2
    assert left_over(run_directory) == []
    assert supervisor.status.state is RuntimeState.STOPPED
    work.cancel()
    assert isinstance((await asyncio.gather(work, return_exceptions=True))[0], BaseException)
