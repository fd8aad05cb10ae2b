"""Keep one Triton running: start, load, watch, fence, restart, give up.

starting → ready → fenced → backoff → starting …      failed when a crash loop is given up on
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from argosy.core.errors import ArgosyError, RuntimeFailure, RuntimeStartFailed
from argosy.core.status import ModelState, ModelStatus, RuntimeState, RuntimeStatus
from argosy.runtime.contract import OnStatus
from argosy.runtime.triton import group
from argosy.runtime.triton.backend_directory import prepare_backends
from argosy.runtime.triton.client import DISCONNECTED
from argosy.runtime.triton.control import ServerIdentity
from argosy.runtime.triton.fence import Fence, ServerOptions, command
from argosy.runtime.triton.generation import Fault, Generation, WatchOptions
from argosy.runtime.triton.group import Record
from argosy.runtime.triton.locate import TritonInstallation
from argosy.runtime.triton.native_models import obstacle
from argosy.runtime.triton.process import TritonProcess, adopt_orphans
from argosy.runtime.triton.repository import Overriding, no_overrides, remove_model, render_model, render_repository
from argosy.runtime.triton.restart import GiveUp, Quarantine, RestartOptions, RestartPolicy
from argosy.runtime.triton.run_directory import RunDirectory
from argosy.runtime.triton.server_log import ServerLog
from argosy.store.entries import ModelEntry

logger = logging.getLogger(__name__)

_RETRY_AFTER = 3.0
_PORT_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class SupervisorOptions:
    """How the supervisor behaves; seconds.

    Attributes:
        run_directory: private to this Argosy; created when missing.
        parameters: appended to every model's `config.pbtxt` for the host, for example `threads`.
        overriding: what wins over each model's own `config.pbtxt`.
        start_deadline: within which the server must answer, models aside.
        exit_grace: between SIGTERM and SIGKILL.
    """

    run_directory: Path
    parameters: Mapping[str, str] = field(default_factory=dict)
    overriding: Overriding = no_overrides
    server: ServerOptions = field(default_factory=ServerOptions)
    watch: WatchOptions = field(default_factory=WatchOptions)
    restart: RestartOptions = field(default_factory=RestartOptions)
    start_deadline: float = 30.0
    exit_grace: float = 8.0


class TritonSupervisor:
    """`RuntimeProcess` for a Triton on this machine.

    A model takes requests when its own state is READY, also while the runtime is still STARTING others.

    Args:
        installation: from `locate`.
        entries: the models wanted.
        clock, chance, sleep: time and chance, for tests.
    """

    def __init__(
        self,
        installation: TritonInstallation,
        entries: Sequence[ModelEntry],
        options: SupervisorOptions,
        *,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._installation = installation
        self._wanted = {entry.name: entry for entry in entries}
        self._options = options
        self._clock = clock
        self._sleep = sleep
        self._policy = RestartPolicy(options.restart, clock, chance)
        self._run_directory = RunDirectory(options.run_directory)
        self._record = Record(self._run_directory.record)
        self._log = ServerLog(self._run_directory.log)
        self._listeners: list[OnStatus] = []
        self._models = {name: ModelStatus(name, ModelState.LOADING, "waiting") for name in self._wanted}
        self._status = RuntimeStatus(RuntimeState.STOPPED, models=dict(self._models))
        self._given_up: dict[str, str] = {}
        self._generation: Generation | None = None
        self._server: TritonProcess | None = None
        self._ending: TritonProcess | None = None
        self._settled: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._control = asyncio.Lock()
        self._careful = False
        self.identity: ServerIdentity | None = None

    @property
    def status(self) -> RuntimeStatus:
        """The newest snapshot."""
        return self._status

    @property
    def metrics_url(self) -> str:
        """Where this generation's Prometheus metrics are, or empty while no server runs."""
        return f"http://127.0.0.1:{self._server.fence.metrics_port}/metrics" if self._server else ""

    @property
    def pid(self) -> int:
        """Process id of the running server, 0 while none runs."""
        return self._server.pid if self._server else 0

    def log_tail(self, lines: int = 20) -> str:
        """The end of the server's log."""
        return self._log.tail(lines)

    def subscribe(self, listener: OnStatus) -> None:
        """Call `listener` at each change, in order, from the event loop."""
        self._listeners.append(listener)

    async def start(self) -> None:
        """Come up and apply the desired state; returns once every wanted model is ready or failed.

        Raises:
            RuntimeStartFailed: the server did not come up; the message has the end of its log.
            MissingRequirement: the machine lacks something.
            InvalidSetting: the run directory cannot be used.
            AlreadyRunning: another Argosy uses it.
        """
        if self._task is not None:
            raise RuntimeFailure("This supervisor was started before.")
        self._run_directory.acquire()
        try:
            self._prepare()
            self._refuse_what_cannot_run()
            self._settled = asyncio.get_running_loop().create_future()
            self._task = asyncio.create_task(self._supervise(), name="triton supervisor")
            self._task.add_done_callback(self._supervision_ended)
            await asyncio.shield(self._settled)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Go away cleanly; idempotent, also after a failed start."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        await self._end_generation(self._options.exit_grace)
        self._run_directory.release()
        if self._status.state is not RuntimeState.STOPPED:
            self._publish(RuntimeState.STOPPED, address="")
        self._settle(RuntimeStartFailed("The runtime was stopped while it started."))

    def memory(self) -> Mapping[str, int]:
        """Resident bytes of each model's processes and of what these started."""
        server = self._server
        return group.resident_bytes(server.pid) if server is not None else {}

    def suspect(self, model: str, reason: str, address: str = "") -> None:
        """A data plane saw `model` crash or stall: verify, fence and heal.

        Args:
            model: as in the request.
            reason: the client's; a lost connection is verified first, anything else fences at once.
            address: where the client was connected; a report about an earlier generation is ignored.
        """
        generation, status = self._generation, self._models.get(model)
        if generation is None or status is None or (address and address != self._status.address):
            return
        if reason == DISCONNECTED:
            generation.look_now()
        elif status.state is ModelState.READY:
            generation.condemn(Fault(f"the process serving {model} is unhealthy", model))

    async def load(self, entry: ModelEntry) -> ModelStatus:
        """Want one more model, or a new form of one; returns its state once it is ready or failed.

        A new form that does not load leaves the old one serving and wanted: what is returned is FAILED then, and the
        snapshot says READY. The state is neither when the server failed meanwhile; it heals by itself.

        Raises:
            RuntimeFailure: the server is not up.
        """
        async with self._control:
            generation = self._running()
            name, old = entry.name, self._wanted.get(entry.name)
            if reason := self._obstacle(entry):
                return ModelStatus(name, ModelState.FAILED, reason)
            self._wanted[name] = entry
            self._given_up.pop(name, None)
            self._render(entry)
            status = await generation.load(entry)
            if status.state is ModelState.FAILED and old is not None and self._models[name].state is ModelState.READY:
                self._wanted[name] = old
                self._render(old)
            return status

    async def unload(self, name: str) -> None:
        """Want a model no longer; returns once it is gone. Unknown names are ignored.

        While no server runs the wish alone changes: the next one does not get the model.

        Raises:
            RuntimeFailure: the server did not answer.
        """
        async with self._control:
            if self._wanted.pop(name, None) is None:
                return
            self._models.pop(name, None)
            self._given_up.pop(name, None)
            self._publish(self._status.state, reason=self._status.reason)
            if self._generation is not None:
                await self._generation.unload(name)
            remove_model(self._run_directory.repository, name)

    def _refuse_what_cannot_run(self) -> None:
        for entry in self._wanted.values():
            if reason := self._obstacle(entry):
                self._give_up_on(entry.name, reason)

    def _obstacle(self, entry: ModelEntry) -> str:
        return obstacle(entry, self._installation, completes=self._options.server.complete_configs)

    def _render(self, entry: ModelEntry) -> None:
        render_model(self._run_directory.repository, entry, self._options.parameters, self._options.overriding)

    def _prepare(self) -> None:
        """Clean up after an Argosy that was killed, and write what the server reads."""
        adopt_orphans()
        left = self._record.left_over() | group.orphans(self._run_directory.backends)
        group.destroy(0, left)
        self._record.clear()
        for socket in self._run_directory.sockets.glob("grpc:*"):
            socket.unlink()
        prepare_backends(self._run_directory.backends, self._installation)
        render_repository(
            self._run_directory.repository, self._wanted.values(), self._options.parameters, self._options.overriding
        )

    async def _supervise(self) -> None:
        """Serve generation after generation until told to stop or a crash loop is given up on."""
        while True:
            fault = await self._serve_until_fault()
            logger.warning("Triton is fenced: %s", fault.reason)
            self._publish(RuntimeState.FENCED, reason=fault.reason, address="")
            await self._end_generation(grace=0)
            delay = self._delay_after(fault)
            if delay is None:
                self._fail(fault)
                return
            if delay > 0:
                self._publish(RuntimeState.BACKOFF, reason=fault.reason, retry_after=_RETRY_AFTER + delay)
                await self._sleep(delay)
            self._status = replace(self._status, restarts=self._status.restarts + 1)

    def _supervision_ended(self, task: asyncio.Task[None]) -> None:
        """A defect of ours must not leave a server that nobody watches looking ready."""
        if not task.cancelled() and (defect := task.exception()) is not None:
            logger.error("Supervision failed", exc_info=defect)
            self._fail(Fault("an internal error; the log has it"))

    async def _serve_until_fault(self) -> Fault:
        number = self._status.generation + 1
        self._publish(RuntimeState.STARTING, reason="Triton is starting", generation=number)
        try:
            self._server = await self._launch(number)
        except RuntimeStartFailed as error:
            if number == 1:
                self._settle(error)
            return Fault(error.message)
        generation = self._generation = Generation(self._server, self._options.watch, self._report, self._clock)
        self._publish(RuntimeState.STARTING, reason="models are loading", address=self._server.fence.address)
        loads = asyncio.create_task(self._apply_desired_state(generation))
        try:
            return await generation.fault()
        finally:
            # Whoever breaks the server while it loads is found by loading one by one the next time.
            self._careful = not loads.done()
            loads.cancel()
            await asyncio.wait([loads])
            await generation.close()

    async def _launch(self, number: int) -> TritonProcess:
        """Start a server; a metrics port that somebody took in between is a reason to try another."""
        attempt = 1
        while True:
            try:
                return await self._launch_once(number)
            except RuntimeStartFailed as error:
                if "in use" not in error.message or attempt == _PORT_ATTEMPTS:
                    raise
                attempt += 1

    async def _launch_once(self, number: int) -> TritonProcess:
        places, options = self._run_directory, self._options
        fence = Fence.fresh(places.sockets, number)
        server = TritonProcess(fence, self._log, self._record)
        arguments = command(self._installation, places.repository, places.backends, fence, options.server)
        try:
            server.launch(arguments, self._installation.environment(dict(os.environ)))
            await server.wait_live(options.start_deadline)
            self.identity = await server.control.identity(options.start_deadline)
        except BaseException:
            await server.end(grace=0)
            raise
        return server

    async def _apply_desired_state(self, generation: Generation) -> None:
        """Load every wanted model, those that failed before last."""
        async with self._control:
            entries = [entry for name, entry in self._wanted.items() if name not in self._given_up]
            entries.sort(key=lambda entry: self._models[entry.name].state is ModelState.FAILED)
            await generation.load_all(entries, one_by_one=self._careful)
        self._policy.ready()
        self._publish(RuntimeState.READY)
        self._settle()

    async def _end_generation(self, grace: float) -> None:
        self._generation = None
        if self._server is not None:
            self._server, self._ending = None, self._server
        if self._ending is not None:
            await self._ending.end(grace)
            # Not before it has ended: a stop that interrupts this must find the server, or nobody would end it.
            self._ending = None

    def _delay_after(self, fault: Fault) -> float | None:
        """Seconds until the next generation, or None to give up."""
        if fault.hung_load and fault.model:
            self._give_up_on(fault.model, fault.reason)
            return 0.0
        verdict = self._policy.crashed(fault.model)
        if isinstance(verdict, GiveUp):
            return None
        if isinstance(verdict, Quarantine):
            self._give_up_on(verdict.model, f"crashed too often: {fault.reason}")
            return 0.0
        return verdict.delay

    def _give_up_on(self, model: str, reason: str) -> None:
        self._given_up[model] = reason
        self._report(ModelStatus(model, ModelState.FAILED, reason))

    def _fail(self, fault: Fault) -> None:
        reason = f"Triton kept failing and was given up on: {fault.reason}"
        self._publish(RuntimeState.FAILED, reason=reason)
        self._settle(RuntimeStartFailed(f"{reason} Its log ends with:\n{self._log.tail()}"))

    def _settle(self, error: ArgosyError | None = None) -> None:
        """Tell `start` how the first generation went."""
        if self._settled is None or self._settled.done():
            return
        if error is None:
            self._settled.set_result(None)
        else:
            self._settled.set_exception(error)
            self._settled.exception()  # retrieved by `start`, unless that was cancelled

    def _running(self) -> Generation:
        if self._generation is None:
            raise RuntimeFailure("Triton is not running right now. Try again when it is ready.")
        return self._generation

    def _report(self, model: ModelStatus) -> None:
        """One model changed."""
        if model.name in self._wanted:
            self._models[model.name] = model
            logger.info("%s is %s %s", model.name, model.state, model.reason)
            self._publish(self._status.state, reason=self._status.reason)

    def _publish(self, state: RuntimeState, *, reason: str = "", **changes: Any) -> None:
        """Make a new snapshot and tell the listeners."""
        if state not in {RuntimeState.READY, RuntimeState.STARTING} or changes.get("address") == "":
            changes["address"] = ""
        self._models = {name: self._settle_model(model, state) for name, model in self._models.items()}
        changes.setdefault("retry_after", _RETRY_AFTER)
        changes["metrics_url"] = self.metrics_url
        self._status = replace(self._status, state=state, reason=reason, models=dict(self._models), **changes)
        loop = asyncio.get_running_loop()
        for listener in self._listeners:
            loop.call_soon(listener, self._status)

    @staticmethod
    def _settle_model(model: ModelStatus, state: RuntimeState) -> ModelStatus:
        """No model can be ready while the server is not."""
        if model.state is ModelState.READY and state not in {RuntimeState.READY, RuntimeState.STARTING}:
            return ModelStatus(model.name, ModelState.FENCED, "the serving process is being restarted")
        return model
