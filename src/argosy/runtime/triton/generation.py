"""One generation of the server, from launch to its first fault: loads models and watches everything it started."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from argosy.core.deadline import Deadline
from argosy.core.errors import (
    ArgosyError,
    DeadlineExceeded,
    EngineCrashed,
    ModelLoadFailed,
    RuntimeFailure,
)
from argosy.core.status import ModelState, ModelStatus
from argosy.core.tensors import Tensor
from argosy.runtime.contract import InferRequest
from argosy.runtime.triton.canary import canary_inputs
from argosy.runtime.triton.client import TritonClient
from argosy.runtime.triton.group import Member, busy_ticks, destroy, members
from argosy.runtime.triton.process import TritonProcess, Watch
from argosy.runtime.triton.pulse import Pulse, Stillness
from argosy.store.entries import ModelEntry

logger = logging.getLogger(__name__)

_SURVEY_INTERVAL = 0.1
_AFTER_KILL = 10.0
_CALL_DEADLINE = 5.0
_STUB_LOST = re.compile(r"^Stub process '[^']*' is not healthy")
_LOAD_NOISE = re.compile(
    r"^(?:load failed for model '[^']*': )?(?:version \d+ is at UNAVAILABLE state: )?"
    r"(?:(?:Internal|Invalid argument|Not found|Unavailable|Unknown): )?(?:[\w.]*(?:Error|Exception): )?"
    r"(?:\[argosy:[\w.:\[\]-]*\] )?",
)


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """How models are loaded and watched; seconds.

    Attributes:
        load_deadline: for one model, from asking until it answered its first request.
        parallel_loads: models loading at the same time.
        still_load: how long a model's process may do nothing at all before its load counts as lost.
        canary_interval: pause between two looks at the models.
        canary_timeout: within which a model must answer a canary.
        misses: looks in a row without any sign of life that condemn a model.
        busy_grace: how long a model that keeps computing may go without finishing anything.
        stream_grace: the same for models that answer in streams, whose pieces Triton does not count.
    """

    load_deadline: float = 30.0
    parallel_loads: int = 4
    still_load: float = 30.0
    canary_interval: float = 5.0
    canary_timeout: float = 5.0
    misses: int = 2
    busy_grace: float = 60.0
    stream_grace: float = 600.0


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a generation must end.

    Attributes:
        model: the one at fault, or None when the server is.
        hung_load: loading that model blocked the server; it must not be tried again.
    """

    reason: str
    model: str | None = None
    hung_load: bool = False


@dataclass(slots=True)
class _Model:
    """What is known about one loaded model."""

    entry: ModelEntry
    canary: dict[str, Tensor]
    decoupled: bool
    processes: tuple[Member, ...]
    pulse: Pulse
    watches: list[Watch] = field(default_factory=list)


Report = Callable[[ModelStatus], None]


class Generation:
    """A live server and its models.

    Args:
        server: launched and answering.
        report: told each model's state when it changes.
        clock: seconds, monotonic.
    """

    def __init__(
        self, server: TritonProcess, options: WatchOptions, report: Report, clock: Callable[[], float]
    ) -> None:
        self.server = server
        self._options = options
        self._report = report
        self._clock = clock
        self._fault: asyncio.Future[Fault] = asyncio.get_running_loop().create_future()
        self._client = TritonClient(server.fence.address)
        self._models: dict[str, _Model] = {}
        self._loading: set[str] = set()
        self._look_now = asyncio.Event()
        self._exit = asyncio.create_task(self._watch_server())
        self._looks = asyncio.create_task(self._watch_models())
        self._server_misses = 0

    async def fault(self) -> Fault:
        """Wait for the first fault."""
        return await asyncio.shield(self._fault)

    def condemn(self, fault: Fault) -> None:
        """Report a fault; only the first counts."""
        if not self._fault.done():
            self._fault.set_result(fault)

    def look_now(self) -> None:
        """Verify every model at once instead of at the next interval."""
        self._look_now.set()

    async def close(self) -> None:
        """Stop watching; idempotent. The server goes on."""
        for task in (self._exit, self._looks):
            task.cancel()
        await asyncio.gather(self._exit, self._looks, return_exceptions=True)
        for name in list(self._models):
            self._forget(name)
        await self._client.close()

    async def load_all(self, entries: Sequence[ModelEntry], *, one_by_one: bool) -> None:
        """Load models; returns when each is ready or failed, or a fault ends the generation."""
        slots = asyncio.Semaphore(1 if one_by_one else self._options.parallel_loads)

        async def load_in_turn(entry: ModelEntry) -> None:
            async with slots:
                if not self._fault.done():
                    await self.load(entry)

        async with asyncio.TaskGroup() as loads:
            for entry in entries:
                loads.create_task(load_in_turn(entry))

    async def load(self, entry: ModelEntry) -> ModelStatus:
        """Load one model and prove that it answers; never raises for the model's faults.

        What is returned is also reported, with one exception: when a new form of a loaded model fails, the old one
        goes on serving, so that its READY stands.
        """
        name = entry.name
        old = self._models.get(name)
        # Triton ends the old form's process itself, once the new form serves.
        self._forget(name)
        replaced = self._pids(name) if old is not None else frozenset()
        if old is None:
            self._report(ModelStatus(name, ModelState.LOADING, "loading"))
        deadline = Deadline.after(self._options.load_deadline)
        self._loading.add(name)
        try:
            await self._load_before(name, deadline, replaced)
            model = await self._introduce(entry, replaced, old)
            await self._first_answer(model, deadline)
        except ModelLoadFailed as error:
            self._clean_up(name, replaced)
            failed = ModelStatus(name, ModelState.FAILED, error.message)
            if old is None or not await self._resume(old):
                self._report(failed)
            return failed
        except RuntimeFailure as error:
            # A server that stops answering while it loads is the fault of what it loads.
            self.condemn(Fault(error.message, name))
            return ModelStatus(name, ModelState.FENCED, error.message)
        finally:
            self._loading.discard(name)
        self._models[name] = model
        self._watch_processes(model)
        if old is not None:
            await self._client.release()
        ready = ModelStatus(name, ModelState.READY)
        self._report(ready)
        return ready

    async def _resume(self, old: _Model) -> bool:
        """Go on with the old form of a model if it still answers."""
        try:
            if not await self.server.control.ready(old.entry.name, _CALL_DEADLINE):
                return False
        except RuntimeFailure:
            return False
        if not await self._answers(old, self._options.canary_timeout):
            return False
        self._models[old.entry.name] = old
        self._watch_processes(old)
        return True

    async def unload(self, name: str) -> None:
        """Unload one model; returns once its process is gone or the load deadline has passed."""
        self._forget(name)
        await self.server.control.unload(name, _CALL_DEADLINE)
        deadline = Deadline.after(self._options.load_deadline)
        while self._processes(name) and not deadline.passed and not self._fault.done():
            # A canary may have ended just now.
            await self._client.release()
            await asyncio.sleep(_SURVEY_INTERVAL)
        self._clean_up(name)

    async def _load_before(self, name: str, deadline: Deadline, replaced: frozenset[int]) -> None:
        """Ask Triton to load, and once more when that was lost.

        On a machine with too little processor time Triton 2.51 loses loads in two ways: its process and the model's
        wait for one another for ever, or a model's process that was not heard of for a second is given up on.
        """
        try:
            await self._load_once(name, deadline, replaced)
        except _LoadLost as lost:
            logger.warning("%s is loaded once more: %s", name, lost.message)
            await self._load_once(name, deadline, replaced)

    async def _load_once(self, name: str, deadline: Deadline, replaced: frozenset[int]) -> None:
        """Ask Triton to load; past the deadline end the model's process, which makes Triton give up."""
        load = asyncio.create_task(self.server.control.load(name, self._options.load_deadline + _AFTER_KILL))
        # Whoever stops to wait for it need not hear how it ended.
        load.add_done_callback(lambda done: done.cancelled() or done.exception())
        stillness = Stillness(self._options.still_load)
        try:
            while not load.done() and not deadline.passed:
                await asyncio.wait([load], timeout=_SURVEY_INTERVAL)
                # Shared memory must be on record before anything can go wrong.
                processes = self._started(name, replaced)
                if processes and stillness.lasts(partial(busy_ticks, processes), self._clock()):
                    await self._end_processes(name, load, replaced)
                    raise _LoadLost(f"its process did nothing for {self._options.still_load:g} s")
            if not load.done():
                await self._abort_load(name, load, replaced)
            try:
                load.result()
            except ModelLoadFailed as error:
                reason = load_reason(error.message)
                raise (_LoadLost if _STUB_LOST.match(reason) else ModelLoadFailed)(reason) from None
        finally:
            if not load.done():
                # Nobody waits any more; left alone, a server that is told to go would wait for this load.
                load.cancel()
                self._clean_up(name, replaced)

    async def _abort_load(self, name: str, load: asyncio.Task[None], replaced: frozenset[int]) -> None:
        await self._end_processes(name, load, replaced)
        reason = f"did not load within {self._options.load_deadline:g} s (--load-timeout)"
        if not load.done():
            self.condemn(Fault(f"{name} {reason}", name, hung_load=True))
        raise ModelLoadFailed(reason)

    async def _end_processes(self, name: str, load: asyncio.Task[None], replaced: frozenset[int]) -> None:
        """End what loads a model until Triton gives the load up, or will not."""
        await self._show_stacks(name, replaced)
        end = Deadline.after(_AFTER_KILL)
        while not load.done() and not end.passed:
            for process in self._started(name, replaced):
                process.kill()
            await asyncio.wait([load], timeout=_SURVEY_INTERVAL)

    async def _introduce(self, entry: ModelEntry, replaced: frozenset[int], old: _Model | None) -> _Model:
        options = self._options
        config = await self.server.control.config(entry.name, _CALL_DEADLINE)
        grace = options.stream_grace if config.decoupled else options.busy_grace
        started = tuple(self._started(entry.name, replaced))
        return _Model(
            entry,
            canary_inputs(entry.spec.task, config),
            config.decoupled,
            # Triton leaves the processes as they are when nothing of the model has changed. There may be others, of the
            # form before, which are about to end and must not be missed.
            started or (old.processes if old is not None else ()),
            Pulse(options.misses, options.canary_timeout, grace),
        )

    async def _first_answer(self, model: _Model, deadline: Deadline) -> None:
        timeout = max(self._options.canary_timeout, deadline.remaining)
        if not await self._answers(model, timeout):
            await self._show_stacks(model.entry.name)
            await self.server.control.unload(model.entry.name, _CALL_DEADLINE)
            raise ModelLoadFailed("loaded, and did not answer its first request")

    async def _show_stacks(self, name: str, but: frozenset[int] = frozenset()) -> None:
        """Let the log tell what a model hangs in, before it is ended."""
        logger.warning("%s hangs; triton.log in the run directory has what its process does", name)
        for process in self._started(name, but):
            process.show_stacks()
        await asyncio.sleep(_SURVEY_INTERVAL)

    def _clean_up(self, name: str, but: frozenset[int] = frozenset()) -> None:
        """No process and no shared memory of a model that is not loaded may stay."""
        for process in self._started(name, but):
            destroy(0, members(process.pid) | {process})

    def _processes(self, name: str) -> list[Member]:
        return [member for member in self.server.survey() if member.model == name]

    def _started(self, name: str, but: frozenset[int]) -> list[Member]:
        return [process for process in self._processes(name) if process.pid not in but]

    def _server_process(self) -> tuple[Member, ...]:
        return tuple(member for member in self.server.survey() if member.pid == self.server.pid)

    def _pids(self, name: str) -> frozenset[int]:
        return frozenset(process.pid for process in self._processes(name))

    def _watch_processes(self, model: _Model) -> None:
        name = model.entry.name
        fault = Fault(f"the process serving {name} ended", name)
        for process in model.processes:
            try:
                model.watches.append(Watch(process.pid, lambda: self.condemn(fault)))
            except ProcessLookupError:
                self.condemn(fault)

    def _forget(self, name: str) -> None:
        model = self._models.pop(name, None)
        if model is not None:
            for watch in model.watches:
                watch.close()

    async def _watch_server(self) -> None:
        await self.server.exited.wait()
        suspects = list(self._loading)
        self.condemn(Fault("Triton ended", suspects[0] if len(suspects) == 1 else None))

    async def _watch_models(self) -> None:
        while not self._fault.done():
            try:
                async with asyncio.timeout(self._options.canary_interval):
                    await self._look_now.wait()
            except TimeoutError:
                pass
            self._look_now.clear()
            await self._look()

    async def _look(self) -> None:
        """One look at the socket, the server and every model."""
        if not self.server.fence.socket.exists():
            self.condemn(Fault("Triton's socket is gone"))
            return
        try:
            progress = await self.server.control.progress(_CALL_DEADLINE)
            self._server_misses = 0
        except RuntimeFailure as error:
            self._server_misses += 1
            if self._server_misses >= self._options.misses:
                self.condemn(Fault(error.message))
            return
        await asyncio.gather(
            *(self._check(model, progress.get(name, -1)) for name, model in list(self._models.items()))
        )

    async def _check(self, model: _Model, progress: int) -> None:
        """Condemn a model that neither made progress, nor answers, nor computes, several looks in a row."""
        name, pulse = model.entry.name, model.pulse
        if pulse.moved(progress):
            return
        # Triton itself runs the models of its own backends.
        processes = model.processes or self._server_process()
        before = busy_ticks(processes)
        if await self._answers(model, self._options.canary_timeout):
            pulse.beats()
            return
        condemned = pulse.silent(busy_ticks(processes) - before, self._clock())
        if pulse.misses:
            logger.warning("%s missed canary %d of %d", name, pulse.misses, self._options.misses)
        if condemned:
            self.condemn(Fault(f"{name} stopped answering", name))

    async def _answers(self, model: _Model, within: float) -> bool:
        """Whether the model answers a canary; a refusal in words is an answer too."""
        request = InferRequest(model.entry.name, model.canary, request_id="canary", deadline=Deadline.after(within))
        try:
            if model.decoupled:
                async for response in self._client.stream(request):
                    if response.final:
                        break
            else:
                await self._client.infer(request)
        except EngineCrashed:
            self.condemn(Fault(f"the process serving {model.entry.name} is unhealthy", model.entry.name))
            return False
        except DeadlineExceeded:
            return False
        except ArgosyError as error:
            logger.debug("canary of %s was refused: %s", model.entry.name, error.message)
        return True


class _LoadLost(ModelLoadFailed):
    """A load that came to nothing without a word of the model's."""


def load_reason(text: str) -> str:
    """Triton's words on a failed load without its own framing and without a Python traceback."""
    text = text.split("\n\nAt:\n", 1)[0].strip().rstrip(";").strip()
    previous = None
    while previous != text:
        previous, text = text, _LOAD_NOISE.sub("", text, count=1)
    return text or "Triton gave no reason"
