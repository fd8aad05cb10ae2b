"""What a runtime is: a data plane (`InferenceClient`) and a life cycle (`RuntimeProcess`).

The gateway holds an `InferenceClient`; the supervisor process holds a `RuntimeProcess`. Both have an in-process
twin in `runtime/memory.py`; `tests/suites/runtime_contract.py` runs on the twin and on the real Triton.

Guarantees of the data plane:

* Every call ends: by its answer, by an `ArgosyError`, or at its deadline. Never later than the deadline plus 1 s.
* Bad tensors are `InvalidRequest`, naming the tensor; an unknown model is `ModelNotFound`; a model that is known
  and not loaded is `ModelNotReady`; a full queue is `Overloaded`; a dead or stalled engine is `EngineCrashed`.
* Text of the layer below never reaches the caller in a crash; the message is fixed.
* Leaving a call (cancellation of the task, closing the iterator) cancels it in the engine within 1 s.
* An engine's own `ArgosyError` arrives with the class it was raised with.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from argosy.core.deadline import NEVER, Deadline
from argosy.core.status import ModelStatus, RuntimeStatus
from argosy.core.tensors import RawTensor, Tensor
from argosy.store.entries import ModelEntry

Parameter = bool | int | float | str
"""What a KServe parameter may be."""


@dataclass(frozen=True, slots=True)
class InferRequest:
    """One call to one model.

    Attributes:
        inputs: arrays with the batch dimension first where the model has one; BYTES are object arrays of bytes. A
            `RawTensor` is passed on unread.
        outputs: names wanted; empty means all.
        output_parameters: KServe parameters by name of an output in `outputs`; `classification: n` asks for the n
            highest values as BYTES `value:index[:label]` in the output's place.
        parameters: KServe request parameters; `priority`, `timeout` (microseconds) and `sequence_id` (text, or a
            whole number below 2^64), `sequence_start`, `sequence_end` reach the scheduler.
        version: empty means the newest.
        raw: answer in `RawTensor`s, which spares decoding what is only passed on.
    """

    model: str
    inputs: Mapping[str, Tensor | RawTensor]
    outputs: Sequence[str] = ()
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    request_id: str = ""
    version: str = ""
    deadline: Deadline = NEVER
    raw: bool = False
    output_parameters: Mapping[str, Mapping[str, Parameter]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InferResponse:
    """One answer, or one of a stream of answers.

    Attributes:
        outputs: arrays, or `RawTensor`s when the request was `raw`. Raw ones are as the runtime sent them.
        final: whether nothing follows in a stream; the final response may hold no outputs.
    """

    outputs: Mapping[str, Any]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    final: bool = True
    model: str = ""
    version: str = ""


class InferenceClient(Protocol):
    """The data plane. Safe for concurrent use from one event loop."""

    async def infer(self, request: InferRequest) -> InferResponse:
        """One request, one answer."""
        ...

    def stream(self, request: InferRequest) -> AsyncIterator[InferResponse]:
        """One request, any number of answers (decoupled models). Closing the iterator cancels."""
        ...

    async def server_metadata(self) -> Mapping[str, Any]:
        """KServe v2 server metadata: `name`, `version`, `extensions`."""
        ...

    async def model_metadata(self, model: str, version: str = "") -> Mapping[str, Any]:
        """KServe v2 model metadata: `name`, `versions`, `platform`, `inputs`, `outputs` (name, datatype, shape).

        Raises:
            ModelNotFound, ModelNotReady: as for a call.
        """
        ...

    async def model_config(self, model: str, version: str = "") -> Mapping[str, Any]:
        """Triton's model configuration in protobuf's JSON form with the names of `config.pbtxt`.

        Raises:
            ModelNotFound, ModelNotReady: as for a call.
        """
        ...

    async def model_statistics(self, model: str = "", version: str = "") -> Mapping[str, Any]:
        """Triton's statistics extension, `{"model_stats": [...]}`; all models when none is named.

        Raises:
            ModelNotFound, ModelNotReady: as for a call.
        """
        ...

    async def connect(self, address: str) -> None:
        """Use the runtime at `address` from now on; calls on the old connection end with `EngineCrashed`."""

    async def close(self) -> None:
        """Drop the connection; idempotent."""


OnStatus = Callable[[RuntimeStatus], None]


class RuntimeProcess(Protocol):
    """The life cycle, as the supervisor process sees it.

    Guarantees: `start` returns once every wanted model is ready or failed, or raises; one model that cannot load
    never keeps the others from serving; a fault leads to fence, restart and re-application of the desired
    state without being asked; `stop` leaves no process, socket or shared memory behind; every change of state
    is told to the listeners in order.
    """

    @property
    def status(self) -> RuntimeStatus:
        """The newest snapshot."""
        ...

    def subscribe(self, listener: OnStatus) -> None:
        """Call `listener` at each change, from the event loop."""

    async def start(self) -> None:
        """Come up and apply the desired state.

        Raises:
            RuntimeStartFailed: it did not come up in time; the message has the end of its log.
            MissingRequirement: the machine lacks something.
        """

    async def stop(self) -> None:
        """Go away cleanly; idempotent, also after a failed start."""

    async def load(self, entry: ModelEntry) -> ModelStatus:
        """Want one more model, or a new form of one; returns its state once it is ready or failed.

        Raises:
            RuntimeFailure: the runtime is not up.
        """
        ...

    async def unload(self, name: str) -> None:
        """Want a model no longer; returns once it is gone. Unknown names are ignored.

        Raises:
            RuntimeFailure: the runtime is not up or did not answer.
        """

    def memory(self) -> Mapping[str, int]:
        """Bytes of memory that the processes of each model take now; models it cannot look into are left out.

        Thread-safe; may block for milliseconds.
        """
        ...

    def suspect(self, model: str, reason: str, address: str = "") -> None:
        """A data plane saw `model` crash or stall at `address`: verify, fence and heal. Old news is ignored."""
