"""The measuring stand: a Triton of the search's own, in a scratch folder, with one form of the model at a time.

The model store is read and never written: a form is a folder of links to the model's files beside a config of its own.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from argosy.analysis import knobs
from argosy.analysis.load.closed_loop import Answered, LoadFailed, LoopOptions, Send, Usage, measure_level
from argosy.analysis.load.inputs import Inputs
from argosy.analysis.space import Configuration
from argosy.analysis.trial import Level
from argosy.core.deadline import Deadline
from argosy.core.errors import ArgosyError, RuntimeFailure
from argosy.core.models import Task
from argosy.core.status import ModelState, RuntimeState
from argosy.runtime.contract import InferenceClient, InferRequest, RuntimeProcess
from argosy.runtime.model_config import read_message, to_text
from argosy.runtime.triton.group import Member, busy_ticks, members
from argosy.runtime.triton.repository import render_model
from argosy.store.entries import CONFIG_FILE, ModelEntry, read_entry

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_TOKENS = "num_output_tokens"


class TrialFailed(Exception):
    """A configuration cannot be measured; the text is the reason, for the report."""


class ScratchProcess(RuntimeProcess, Protocol):
    """A runtime whose use of the machine can be read."""

    @property
    def pid(self) -> int:
        """Process id of the running server, 0 while none runs."""
        ...


class LoadClient(InferenceClient, Protocol):
    """A client that can let go of what it keeps for later requests."""

    async def release(self) -> None:
        """End idle streams, which keep their model from being unloaded."""


@dataclass(frozen=True, slots=True)
class Scratch:
    """A runtime that nobody else uses, not yet started, and a client for it, not yet connected."""

    process: ScratchProcess
    client: LoadClient


class Bench(Protocol):
    """Measures configurations of one model, one after the other."""

    def measure(self, configuration: Configuration | None, concurrencies: Sequence[int]) -> AsyncGenerator[Level, None]:
        """Load a form of the model and give each level as soon as it is measured.

        Without a configuration the model's own config is taken as it is.

        Raises:
            TrialFailed: it does not load, or does not answer.
        """
        ...


class TritonBench:
    """`Bench` on a real Triton. Use it as an asynchronous context manager: everything it started ends with it.

    Args:
        launch: makes a runtime without models; called again after a failure.
        entry: the model.
        inputs: what is sent.
        scratch: a folder of its own.
        request_timeout: seconds that one request may take.
    """

    def __init__(
        self,
        launch: Callable[[], Scratch],
        entry: ModelEntry,
        inputs: Inputs,
        scratch: Path,
        options: LoopOptions,
        *,
        request_timeout: float = 60.0,
    ) -> None:
        self._launch = launch
        self._entry = entry
        self._inputs = inputs
        self._scratch = scratch
        self._options = options
        self._request_timeout = request_timeout
        self._running: Scratch | None = None

    async def __aenter__(self) -> TritonBench:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stop()

    async def measure(
        self, configuration: Configuration | None, concurrencies: Sequence[int]
    ) -> AsyncGenerator[Level, None]:
        """See `Bench`."""
        config = (self._entry.directory / CONFIG_FILE).read_text(encoding="utf-8")
        async with aclosing(self.measure_config(_changed(self._entry, configuration, config), concurrencies)) as levels:
            async for level in levels:
                yield level

    async def measure_config(self, config: str, concurrencies: Sequence[int]) -> AsyncGenerator[Level, None]:
        """As `measure`, for the text of a `config.pbtxt`."""
        form = form_of(self._entry, config, self._scratch / "forms")
        try:
            scratch = await self._loaded(form)
            send = sender(scratch.client, self._entry, self._inputs, self._request_timeout)
            for concurrency in sorted(concurrencies):
                yield await measure_level(send, concurrency, self._options, lambda: _usage(scratch))
        except (LoadFailed, RuntimeFailure) as error:
            # Whatever state the server is in, the next trial does not inherit it.
            await self._stop()
            raise TrialFailed(str(error)) from error
        finally:
            await self._unload(form.name)

    async def _loaded(self, form: ModelEntry) -> Scratch:
        scratch = await self._ready()
        status = await scratch.process.load(form)
        if status.state is not ModelState.READY:
            raise TrialFailed(f"It does not load: {status.reason}")
        await scratch.client.connect(scratch.process.status.address)
        return scratch

    async def _ready(self) -> Scratch:
        if self._running is not None and self._running.process.status.state is not RuntimeState.READY:
            await self._stop()
        if self._running is None:
            scratch = self._running = self._launch()
            await scratch.process.start()
        return self._running

    async def _unload(self, name: str) -> None:
        if self._running is None:
            return
        try:
            await self._running.client.release()
            await self._running.client.close()
            await self._running.process.unload(name)
        except ArgosyError:
            await self._stop()

    async def _stop(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            await running.client.close()
            await running.process.stop()


@dataclass(frozen=True, slots=True)
class BenchGauge:
    """Measures texts of `config.pbtxt` under one load on a bench."""

    bench: TritonBench
    concurrency: int

    async def measure(self, config: str) -> Level:
        """The level of this config.

        Raises:
            TrialFailed: it does not load, or does not answer.
        """
        async with aclosing(self.bench.measure_config(config, [self.concurrency])) as levels:
            async for level in levels:
                return level
        raise TrialFailed("It was not measured.")


def form_of(entry: ModelEntry, config: str, folder: Path) -> ModelEntry:
    """The model with another config: a folder of links in `folder`, replacing the former form."""
    folder.mkdir(parents=True, exist_ok=True)
    directory = render_model(folder, entry, {})
    (directory / CONFIG_FILE).write_text(config, encoding="utf-8")
    return read_entry(directory)


def config_with(entry: ModelEntry, configuration: Configuration) -> str:
    """The text of the model's `config.pbtxt` with every value of `configuration`.

    Raises:
        InvalidModelEntry: the config that is there cannot be read.
    """
    message = read_message(entry.directory / CONFIG_FILE)
    knobs.write(message, configuration)
    return to_text(message)


def sender(client: InferenceClient, entry: ModelEntry, inputs: Inputs, timeout: float) -> Send:
    """What a caller of the closed loop does: one request, streamed where the model streams."""

    async def send(number: int) -> Answered:
        await client.infer(InferRequest(entry.name, inputs.at(number), deadline=Deadline.after(timeout)))
        return Answered()

    async def generate(number: int) -> Answered:
        began = time.perf_counter()
        first: float | None = None
        tokens = 0
        request = InferRequest(entry.name, inputs.at(number), deadline=Deadline.after(timeout))
        async for response in client.stream(request):
            if response.outputs:
                first = time.perf_counter() - began if first is None else first
                if _TOKENS in response.outputs:
                    tokens = int(response.outputs[_TOKENS].ravel()[0])
        return Answered(first, float(tokens))

    return generate if entry.spec.task is Task.GENERATE else send


def _changed(entry: ModelEntry, configuration: Configuration | None, config: str) -> str:
    return config if configuration is None else config_with(entry, configuration)


def _usage(scratch: Scratch) -> Usage:
    server = scratch.process.pid
    if not server:
        return Usage()
    found = members(server)
    # One model is loaded: all but the server is its processes and what those started.
    resident = sum(_resident(member) for member in found if member.pid != server)
    return Usage(busy_ticks(found) / _TICKS, resident)


def _resident(member: Member) -> int:
    """Source: proc(5), `statm`, second field."""
    try:
        return int(Path(f"/proc/{member.pid}/statm").read_text(encoding="ascii").split()[1]) * _PAGE
    except (OSError, IndexError, ValueError):
        return 0
