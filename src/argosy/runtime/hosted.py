"""One engine inside the in-process runtime: what it takes, gives and has done."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from argosy.core.errors import InvalidModelEntry
from argosy.core.tensors import RawTensor, Tensor, raw_of, tensor_of
from argosy.engines.contract import GenerationEngine, TensorEngine
from argosy.runtime.classification import top_classes, wanted_classes
from argosy.runtime.contract import InferRequest, InferResponse
from argosy.runtime.model_config import ModelConfig
from argosy.store.entries import ModelEntry


@dataclass(slots=True)
class Counts:
    """What one engine did; durations in nanoseconds, `last` in milliseconds since 1970."""

    succeeded: int = 0
    succeeded_ns: int = 0
    failed: int = 0
    failed_ns: int = 0
    rows: int = 0
    last: int = 0

    def note(self, began: int, rows: int, *, failed: bool) -> None:
        """One request has ended that began at `began` on `time.perf_counter_ns`."""
        took = time.perf_counter_ns() - began
        self.last = time.time_ns() // 1_000_000
        if failed:
            self.failed += 1
            self.failed_ns += took
            return
        self.succeeded += 1
        self.succeeded_ns += took
        self.rows += rows


@dataclass(slots=True)
class Hosted:
    """One engine.

    Attributes:
        message: the `ModelConfig` message that `config` was read from.
        thread: the one thread that calls a tensor engine.
        crash: done once calls in flight must end.
        labels: names of an output's indices, by output.
        queued: calls given to the thread and not answered.
    """

    entry: ModelEntry
    message: Any
    config: ModelConfig
    engine: TensorEngine | GenerationEngine
    thread: ThreadPoolExecutor
    crash: asyncio.Future[None]
    labels: Mapping[str, Sequence[str]]
    queued: int = 0
    counts: Counts = field(default_factory=Counts)

    def leave_queue(self, _: object = None) -> None:
        """A call is done."""
        self.queued -= 1

    def read(self, request: InferRequest) -> dict[str, Tensor]:
        """The request's inputs as arrays.

        Raises:
            InvalidRequest: see `ModelConfig.check`.
        """
        self.config.check(request)
        return {
            name: tensor_of(tensor, name) if isinstance(tensor, RawTensor) else tensor
            for name, tensor in request.inputs.items()
        }

    def respond(self, outputs: Mapping[str, Tensor], request: InferRequest, *, final: bool = True) -> InferResponse:
        """The outputs that the request wants, in the form it wants them."""
        names = request.outputs or outputs
        answer = {name: outputs[name] for name in names if name in outputs}
        batched = self.config.max_batch_size > 0
        for name, count in wanted_classes(request).items():
            if name in answer:
                answer[name] = top_classes(answer[name], count, batched=batched, labels=self.labels.get(name, ()))
        given: Mapping[str, Any] = answer
        if request.raw:
            given = {name: self._raw(name, tensor) for name, tensor in answer.items()}
        return InferResponse(given, {}, final, request.model, self.entry.newest.name)

    def _raw(self, name: str, tensor: Tensor) -> RawTensor:
        raw = raw_of(tensor, name)
        # NumPy has no BF16 that the array could have been.
        brain = raw.datatype == "UINT16" and any(
            output.name == name and output.datatype == "BF16" for output in self.config.outputs
        )
        return replace(raw, datatype="BF16") if brain else raw

    def rows(self, request: InferRequest) -> int:
        """How many inferences Triton would count the request for."""
        if not self.config.max_batch_size:
            return 1
        return next((int(tensor.shape[0]) for tensor in request.inputs.values()), 1)

    def statistics(self) -> dict[str, Any]:
        """The part of Triton's statistics that is counted here."""
        counts = self.counts
        return {
            "name": self.entry.name,
            "version": self.entry.newest.name,
            "last_inference": counts.last,
            "inference_count": counts.rows,
            "execution_count": counts.succeeded + counts.failed,
            "inference_stats": {
                "success": {"count": counts.succeeded, "ns": counts.succeeded_ns},
                "fail": {"count": counts.failed, "ns": counts.failed_ns},
            },
        }


def read_labels(entry: ModelEntry, config: ModelConfig) -> dict[str, list[str]]:
    """Names of the indices of those outputs that have a label file.

    Raises:
        InvalidModelEntry: a file cannot be read.
    """
    files = {output.name: entry.directory / output.label_file for output in config.outputs if output.label_file}
    try:
        return {name: path.read_text(encoding="utf-8").splitlines() for name, path in files.items()}
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidModelEntry(f"A label file of {entry.name} cannot be read: {error}.") from error
