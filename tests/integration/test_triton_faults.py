"""Faults while serving: reliability cases T1, T2, T3, T10, and five kills in a row."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from argosy.core.errors import DeadlineExceeded, EngineCrashed, ModelNotReady
from argosy.core.status import ModelState, RuntimeState
from argosy.runtime.contract import InferResponse
from argosy.runtime.triton.generation import WatchOptions
from tests.integration.conftest import Serve, Served, all_regions
from tests.suites.echo_models import echo_chat, echo_tensors
from tests.suites.runtime_contract import GENEROUS, ask, listen, prompt

pytestmark = [pytest.mark.triton, pytest.mark.alone]

ERROR_WITHIN = 2.0
READY_WITHIN = 10.0


async def fenced(served: Served) -> None:
    """Wait for the runtime to say that it does not serve."""
    async with asyncio.timeout(GENEROUS):
        while served.supervisor.status.ready:
            await asyncio.sleep(0.005)


async def check_heals(served: Served, fault: Fault, *, calls: int = 0, notice_within: float = 1.0) -> None:
    """Commit `fault` with `calls` slow calls in flight and check everything that must follow."""
    generation, server, regions = served.supervisor.status.generation, served.supervisor.pid, served.note_regions()
    in_flight = [asyncio.create_task(served.client.infer(ask(parameters={"delay_ms": 20_000}))) for _ in range(calls)]
    await asyncio.sleep(0.3 if calls else 0)
    began = time.monotonic()
    fault(served)
    await fenced(served)
    assert time.monotonic() - began < notice_within
    outcomes = await asyncio.gather(*in_flight, return_exceptions=True)
    assert time.monotonic() - began < ERROR_WITHIN
    assert [type(outcome) for outcome in outcomes] == [EngineCrashed] * calls
    await served.healed(generation)
    assert time.monotonic() - began < READY_WITHIN
    assert (await served.client.infer(ask("echo", "again"))).outputs["text"].item() == b"again"
    assert not psutil.pid_exists(server)
    assert regions & all_regions() == set()
    assert len(served.note_regions()) == len(regions)


class Fault:
    """Something bad that is done to a running Triton."""

    def __call__(self, served: Served) -> None:
        raise NotImplementedError


class KillStub(Fault):
    def __call__(self, served: Served) -> None:
        served.kill(served.stubs["echo"])


class KillServer(Fault):
    def __call__(self, served: Served) -> None:
        served.kill(served.supervisor.pid)


class EndServerPolitely(Fault):
    def __call__(self, served: Served) -> None:
        os.kill(served.supervisor.pid, signal.SIGTERM)


class RemoveSocket(Fault):
    def __call__(self, served: Served) -> None:
        Path(served.supervisor.status.address.removeprefix("unix:")).unlink()


async def test_t1_idle_stub_is_killed(triton: Serve, tmp_path: Path) -> None:
    """T1: SIGKILL of an idle stub is noticed within a second and healed within ten, nothing left behind."""
    async with triton([echo_tensors(tmp_path), echo_chat(tmp_path)]) as served:
        await check_heals(served, KillStub())


async def test_t1_busy_stub_is_killed(triton: Serve, tmp_path: Path) -> None:
    """T1: SIGKILL of a stub with requests in flight ends them as crashes within two seconds."""
    async with triton([echo_tensors(tmp_path), echo_chat(tmp_path)]) as served:
        await check_heals(served, KillStub(), calls=4)


async def test_t1_stream_ends_when_its_stub_is_killed(triton: Serve, tmp_path: Path) -> None:
    """T1: a stream whose stub dies ends with an error after what was already said."""
    async with triton([echo_chat(tmp_path, parameters={"delay_ms": "50"})]) as served:
        stream = served.client.stream(prompt(text="w " * 900))
        first = await anext(stream)
        assert not first.final
        served.kill(served.stubs["parrot"])
        began = time.monotonic()
        with pytest.raises(EngineCrashed):
            async for _ in stream:
                pass
        assert time.monotonic() - began < ERROR_WITHIN
        await served.healed(1)
        assert (await listen(served.client, prompt()))[-1].final


async def test_t2_stub_is_stopped_under_traffic(triton: Serve, tmp_path: Path) -> None:
    """T2: a stub stalled for 1.5 s with traffic gives errors, never hangs, and that server is not used again."""
    async with triton([echo_tensors(tmp_path), echo_chat(tmp_path)]) as served:
        server, stub = served.supervisor.pid, served.stubs["echo"]
        latencies: list[float] = []

        async def call() -> InferResponse | BaseException:
            began = time.monotonic()
            try:
                return await served.client.infer(ask(within=5, parameters={"delay_ms": 20}))
            except (EngineCrashed, ModelNotReady) as error:
                return error
            finally:
                latencies.append(time.monotonic() - began)

        calls = [asyncio.create_task(call()) for _ in range(8)]
        os.kill(stub, signal.SIGSTOP)
        stopped = time.monotonic()
        while time.monotonic() - stopped < 1.5:
            calls.append(asyncio.create_task(call()))
            await asyncio.sleep(0.1)
        if psutil.pid_exists(stub):
            os.kill(stub, signal.SIGCONT)
        outcomes = await asyncio.gather(*calls)
        assert any(isinstance(outcome, EngineCrashed) for outcome in outcomes)
        assert max(latencies) < ERROR_WITHIN + 1
        await served.healed(1)
        assert time.monotonic() - stopped < READY_WITHIN
        assert served.supervisor.pid != server
        assert not psutil.pid_exists(server)
        assert (await served.client.infer(ask())).outputs


async def test_t2_short_stall_is_harmless(triton: Serve, tmp_path: Path) -> None:
    """A stub that is stopped and continued while nothing asks it goes on serving in the same server."""
    async with triton([echo_tensors(tmp_path)]) as served:
        server, stub = served.supervisor.pid, served.stubs["echo"]
        os.kill(stub, signal.SIGSTOP)
        await asyncio.sleep(0.5)
        os.kill(stub, signal.SIGCONT)
        await asyncio.sleep(0.5)
        assert (await served.client.infer(ask())).outputs
        assert served.supervisor.pid == server


async def test_t2_canary_finds_a_stalled_stub(triton: Serve, tmp_path: Path) -> None:
    """A stub that stalls while nobody asks it is found by its canary."""
    watch = WatchOptions(canary_interval=0.3, canary_timeout=0.5)
    async with triton([echo_tensors(tmp_path), echo_chat(tmp_path)], watch) as served:
        os.kill(served.stubs["parrot"], signal.SIGSTOP)
        await served.healed(1)
        assert (await listen(served.client, prompt()))[-1].final


async def test_t2_requests_that_expire_do_not_hide_a_stalled_stub(triton: Serve, tmp_path: Path) -> None:
    """Requests that Triton fails on behalf of a stalled stub are no sign that the stub lives."""
    watch = WatchOptions(canary_interval=0.3, canary_timeout=0.5, misses=6)
    async with triton([echo_tensors(tmp_path), echo_chat(tmp_path)], watch) as served:
        os.kill(served.stubs["parrot"], signal.SIGSTOP)
        fences = asyncio.create_task(fenced(served))
        while not fences.done():
            with pytest.raises((DeadlineExceeded, EngineCrashed, ModelNotReady)):
                await listen(served.client, prompt(within=0.4))
        await fences


async def test_t3_server_is_killed_with_fifty_in_flight(triton: Serve, tmp_path: Path) -> None:
    """T3: SIGKILL of tritonserver ends fifty calls as crashes; no stub and no shared memory is left."""
    async with triton([echo_tensors(tmp_path), echo_chat(tmp_path)]) as served:
        stubs = served.stubs
        await check_heals(served, KillServer(), calls=50)
        assert not any(psutil.pid_exists(pid) for pid in stubs.values())


async def test_stop_while_a_broken_server_is_being_ended_leaves_nothing(triton: Serve, tmp_path: Path) -> None:
    """A stop that interrupts healing ends the broken server too; `triton` checks that nothing is left."""
    async with triton([echo_tensors(tmp_path)]) as served:
        served.kill(served.stubs["echo"])
        while served.supervisor.status.state is not RuntimeState.FENCED:
            await asyncio.sleep(0)


async def test_unasked_exit_with_code_0_counts(triton: Serve, tmp_path: Path) -> None:
    """A server that ends by itself, even in good order, is started again."""
    async with triton([echo_tensors(tmp_path)]) as served:
        await check_heals(served, EndServerPolitely(), notice_within=8)
        assert served.supervisor.status.restarts == 1


async def test_t10_socket_is_removed(triton: Serve, tmp_path: Path) -> None:
    """T10: a server whose socket was removed can take no new client, so it is replaced."""
    async with triton([echo_tensors(tmp_path)], WatchOptions(canary_interval=0.3)) as served:
        await check_heals(served, RemoveSocket(), notice_within=3)


async def test_killed_five_times_in_a_row(triton: Serve, tmp_path: Path) -> None:
    """Triton is SIGKILLed five times, serving in between, and serves again every time."""
    async with triton([echo_tensors(tmp_path), echo_chat(tmp_path)]) as served:
        for kill in range(1, 6):
            await check_heals(served, KillServer(), calls=3)
            assert served.supervisor.status.restarts == kill
            assert all(model.state is ModelState.READY for model in served.supervisor.status.models.values())
        assert served.supervisor.status.state is RuntimeState.READY


async def test_load_is_not_a_fault(triton: Serve, tmp_path: Path) -> None:
    """A model that is busy for many canary intervals on end is left alone."""
    watch = WatchOptions(canary_interval=0.1, canary_timeout=0.2, misses=2)
    async with triton([echo_tensors(tmp_path, config="")], watch) as served:
        calls = [served.client.infer(ask(parameters={"delay_ms": 150})) for _ in range(20)]
        outcomes = await asyncio.gather(*calls)
        assert len(outcomes) == 20
        assert served.supervisor.status.generation == 1


async def test_full_slots_are_not_a_fault(triton: Serve, tmp_path: Path) -> None:
    """A language model whose only slot speaks for many canary intervals, while the canary waits, is left alone."""
    watch = WatchOptions(canary_interval=0.2, canary_timeout=0.2, misses=2)
    async with triton([echo_chat(tmp_path, parameters={"slots": "1", "delay_ms": "50"})], watch) as served:
        responses = await listen(served.client, prompt(text="w " * 100))
        assert responses[-1].final
        assert served.supervisor.status.generation == 1


async def test_old_connection_ends_as_a_crash(triton: Serve, tmp_path: Path) -> None:
    """Calls on a connection that is replaced end at once as crashes, without blaming the model."""
    async with triton([echo_tensors(tmp_path)]) as served:
        calls = [
            asyncio.create_task(served.client.infer(ask(parameters={"delay_ms": 3000}))),
            asyncio.create_task(listen(served.client, ask(parameters={"delay_ms": 3000}))),
        ]
        await asyncio.sleep(0.2)
        await served.client.connect("")
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [EngineCrashed, EngineCrashed]
        with pytest.raises(ModelNotReady):
            await served.client.infer(ask())
        await served.client.connect(served.supervisor.status.address)
        assert (await served.client.infer(ask())).outputs
        assert served.supervisor.status.generation == 1
