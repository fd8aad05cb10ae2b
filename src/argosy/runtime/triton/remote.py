"""A Triton that somebody else runs: watched and used, never started or killed; loaded into only when ordered.

starting → ready → fenced → ready …
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from argosy.core.deadline import Deadline
from argosy.core.errors import (
    ArgosyError,
    DeadlineExceeded,
    EngineCrashed,
    ModelLoadFailed,
    NotFound,
    RuntimeFailure,
    RuntimeStartFailed,
    Unavailable,
    UnsupportedParameter,
)
from argosy.core.status import ModelState, ModelStatus, RuntimeState, RuntimeStatus
from argosy.core.tensors import Tensor
from argosy.runtime.contract import InferRequest, OnStatus
from argosy.runtime.triton.canary import canary_inputs
from argosy.runtime.triton.client import TritonClient
from argosy.runtime.triton.control import TritonControl
from argosy.store.entries import ModelEntry

logger = logging.getLogger(__name__)

# Triton's words when it runs without --model-control-mode=explicit, or with the calls restricted.
_REFUSALS = ("explicit model load / unload is not allowed", "This protocol is restricted")


@dataclass(frozen=True, slots=True)
class RemoteOptions:
    """How a remote Triton is watched; seconds.

    Attributes:
        address: gRPC `host:port` or `unix:/…`.
        start_deadline: within which the server must answer for the first time.
        interval: pause between two looks.
        answer_within: for one call of a look.
        misses: looks in a row without an answer after which a model counts as broken.
        load_deadline: for a load that was ordered.
    """

    address: str
    start_deadline: float = 30.0
    interval: float = 5.0
    answer_within: float = 5.0
    misses: int = 2
    load_deadline: float = 120.0


class RemoteTriton:
    """`RuntimeProcess` over a Triton that this process does not own.

    Guarantees beyond the contract's: nothing on the remote side is changed but by `load` and `unload`, which pass
    the order on. A model is ready while it answers a canary inference; one that the server does not have is failed,
    and becomes ready once it appears there.
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

    def memory(self) -> Mapping[str, int]:
        """Nothing: the processes are another machine's."""
        return {}

    def suspect(self, model: str, reason: str, address: str = "") -> None:
        """A data plane saw a crash: look at once."""
        logger.warning("%s at %s looks broken: %s", model, address or self._options.address, reason)
        self._look_now.set()

    async def load(self, entry: ModelEntry) -> ModelStatus:
        """Want one more model, which the remote side finds in its own repository under the same name.

        Raises:
            UnsupportedParameter: the remote side takes no such orders.
            RuntimeFailure: it does not answer.
        """
        try:
            await self._control.load(entry.name, self._options.load_deadline)
        except ModelLoadFailed as error:
            return self._told(ModelStatus(entry.name, ModelState.FAILED, error.message))
        except RuntimeFailure as error:
            raise self._refusal(error) from error
        self._entries[entry.name] = entry
        self._canaries.pop(entry.name, None)
        return self._told(await self._check(entry))

    async def unload(self, name: str) -> None:
        """Want a model no longer, and have the remote side unload it. Unknown names are ignored.

        Raises:
            UnsupportedParameter: the remote side takes no such orders.
            RuntimeFailure: it does not answer.
        """
        if name not in self._entries:
            return
        try:
            await self._control.unload(name, self._options.answer_within)
        except RuntimeFailure as error:
            raise self._refusal(error) from error
        del self._entries[name]
        models = {other: model for other, model in self._status.models.items() if other != name}
        self._publish(self._status.state, reason=self._status.reason, models=models)

    def _told(self, model: ModelStatus) -> ModelStatus:
        if model.name in self._entries:
            models = {**self._status.models, model.name: model}
            self._publish(self._status.state, reason=self._status.reason, models=models)
        return model

    def _refusal(self, error: RuntimeFailure) -> ArgosyError:
        if any(words in error.message for words in _REFUSALS):
            return UnsupportedParameter(
                f"The Triton at {self._options.address} does not let its models be loaded or unloaded. Start it with "
                "--model-control-mode=explicit and without a restriction on model-repository.",
                param="model",
            )
        return error

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
        models = await asyncio.gather(*(self._check(entry) for entry in list(self._entries.values())))
        wanted = {model.name: model for model in models if model.name in self._entries}
        self._publish(RuntimeState.READY, models={**self._unseen(wanted), **wanted})

    def _unseen(self, seen: Mapping[str, ModelStatus]) -> dict[str, ModelStatus]:
        """What is known of models that were loaded during the look."""
        return {
            name: model for name, model in self._status.models.items() if name in self._entries and name not in seen
        }

    async def _check(self, entry: ModelEntry) -> ModelStatus:
        name = entry.name
        try:
            await self._answer(entry)
        except (EngineCrashed, DeadlineExceeded):
            self._misses[name] = self._misses.get(name, 0) + 1
            if self._misses[name] < self._options.misses:
                return self._status.models.get(name) or ModelStatus(name, ModelState.LOADING, "did not answer yet")
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
