"""A Triton that somebody else runs: watched and used, never started, loaded into or killed.

starting → ready → fenced → ready …
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from argosy.core.deadline import Deadline
from argosy.core.errors import (
    ArgosyError,
    DeadlineExceeded,
    EngineCrashed,
    NotFound,
    RuntimeFailure,
    RuntimeStartFailed,
    Unavailable,
)
from argosy.core.status import ModelState, ModelStatus, RuntimeState, RuntimeStatus
from argosy.core.tensors import Tensor
from argosy.runtime.contract import InferRequest, OnStatus
from argosy.runtime.triton.canary import canary_inputs
from argosy.runtime.triton.client import TritonClient
from argosy.runtime.triton.control import TritonControl
from argosy.store.entries import ModelEntry

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RemoteOptions:
    """How a remote Triton is watched; seconds.

    Attributes:
        address: gRPC `host:port` or `unix:/…`.
        start_deadline: within which the server must answer for the first time.
        interval: pause between two looks.
        answer_within: for one call of a look.
        misses: looks in a row without an answer after which a model counts as broken.
    """

    address: str
    start_deadline: float = 30.0
    interval: float = 5.0
    answer_within: float = 5.0
    misses: int = 2


class RemoteTriton:
    """`RuntimeProcess` over a Triton that this process does not own.

    Guarantees beyond the contract's: nothing on the remote side is changed. A model is ready while it answers a
    canary inference; one that the server does not have is failed, and becomes ready once it appears there.
    """

    def __init__(self, entries: Sequence[ModelEntry], options: RemoteOptions) -> None:
        self._entries = {entry.name: entry for entry in entries}
        self._options = options
        self._control = TritonControl(options.address)
        self._client = TritonClient(options.address)
        self._misses: dict[str, int] = {}
        self._canaries: dict[str, tuple[dict[str, Tensor], bool]] = {}
        self._listeners: list[OnStatus] = []
        self._look_now = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        models = {name: ModelStatus(name, ModelState.LOADING, "waiting") for name in self._entries}
        self._status = RuntimeStatus(RuntimeState.STOPPED, models=models)

    @property
    def status(self) -> RuntimeStatus:
        """The newest snapshot."""
        return self._status

    def subscribe(self, listener: OnStatus) -> None:
        """Call `listener` at each change, in order, from the event loop."""
        self._listeners.append(listener)

    async def start(self) -> None:
        """Wait for the server, then look at every model once.

        Raises:
            RuntimeStartFailed: the server did not answer in time.
        """
        self._publish(RuntimeState.STARTING, reason=f"waiting for Triton at {self._options.address}")
        try:
            await self._wait_live()
            await self._look()
        except BaseException:
            await self.stop()
            raise
        self._task = asyncio.create_task(self._watch(), name="remote triton")

    async def stop(self) -> None:
        """Let go of the server; idempotent. It goes on serving others."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await self._client.close()
        await self._control.close()
        if self._status.state is not RuntimeState.STOPPED:
            self._publish(RuntimeState.STOPPED)

    def suspect(self, model: str, reason: str, address: str = "") -> None:
        """A data plane saw a crash: look at once."""
        logger.warning("%s at %s looks broken: %s", model, address or self._options.address, reason)
        self._look_now.set()

    async def _wait_live(self) -> None:
        deadline = Deadline.after(self._options.start_deadline)
        while True:
            try:
                if await self._control.live(min(self._options.answer_within, max(0.1, deadline.remaining))):
                    return
            except RuntimeFailure as error:
                if deadline.passed:
                    raise RuntimeStartFailed(
                        f"No Triton answers at {self._options.address}. Check the address, and that its gRPC port "
                        f"can be reached from here. {error.message}"
                    ) from error
            await asyncio.sleep(min(0.2, deadline.remaining))

    async def _watch(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._options.interval):
                    await self._look_now.wait()
            except TimeoutError:
                pass
            self._look_now.clear()
            await self._look()

    async def _look(self) -> None:
        """One look at the server and every model."""
        try:
            await self._control.live(self._options.answer_within)
        except RuntimeFailure as error:
            self._canaries.clear()
            self._publish(RuntimeState.FENCED, reason=f"Triton at {self._options.address} does not answer")
            logger.warning("%s", error.message)
            return
        models = await asyncio.gather(*(self._check(entry) for entry in self._entries.values()))
        self._publish(RuntimeState.READY, models={model.name: model for model in models})

    async def _check(self, entry: ModelEntry) -> ModelStatus:
        name = entry.name
        try:
            await self._answer(entry)
        except (EngineCrashed, DeadlineExceeded):
            self._misses[name] = self._misses.get(name, 0) + 1
            if self._misses[name] < self._options.misses:
                return self._status.models[name]
            return ModelStatus(name, ModelState.FENCED, "does not answer on the remote Triton")
        except (RuntimeFailure, Unavailable, NotFound) as error:
            self._canaries.pop(name, None)
            return ModelStatus(name, ModelState.FAILED, f"is not loaded on the remote Triton: {error.message}")
        except ArgosyError as error:
            # A refusal in words is an answer.
            logger.debug("canary of %s was refused: %s", name, error.message)
        self._misses[name] = 0
        return ModelStatus(name, ModelState.READY)

    async def _answer(self, entry: ModelEntry) -> None:
        within = self._options.answer_within
        if entry.name not in self._canaries:
            config = await self._control.config(entry.name, within)
            self._canaries[entry.name] = (canary_inputs(entry.spec.task, config), config.decoupled)
        inputs, decoupled = self._canaries[entry.name]
        request = InferRequest(entry.name, inputs, request_id="canary", deadline=Deadline.after(within))
        if not decoupled:
            await self._client.infer(request)
            return
        async for response in self._client.stream(request):
            if response.final:
                return

    def _publish(self, state: RuntimeState, *, reason: str = "", models: dict[str, ModelStatus] | None = None) -> None:
        models = dict(self._status.models) if models is None else models
        usable = state is RuntimeState.READY
        if not usable:
            models = {name: _fenced(model) for name, model in models.items()}
        status = replace(
            self._status,
            state=state,
            reason=reason,
            models=models,
            generation=1,
            address=self._options.address if usable else "",
            retry_after=self._options.interval,
        )
        if status != self._status:
            self._status = status
            for listener in self._listeners:
                listener(status)


def _fenced(model: ModelStatus) -> ModelStatus:
    if model.state is ModelState.READY:
        return replace(model, state=ModelState.FENCED, reason="the remote Triton does not answer")
    return model
