"""Tensors to tensors: what KServe clients ask of a model, whatever its task."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from argosy.core.errors import InvalidRequest
from argosy.core.models import Task
from argosy.core.tensors import RawTensor, check_raw, tensor_of
from argosy.runtime.contract import InferRequest, InferResponse
from argosy.server.catalog.catalog import ServedModel
from argosy.server.dataplane.bounds import bound_tensors
from argosy.server.dataplane.call import Call
from argosy.server.dataplane.dispatch import Dispatcher
from argosy.telemetry.metrics import FINISHED_REASONS, Metrics

MOST_INPUTS = 256
MOST_OUTPUTS = 64
_VERSION = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
_NOT_OFFERED = frozenset(
    {
        "system_shared_memory",
        "cuda_shared_memory",
        "trace",
        "logging",
        "model_repository(unload_dependents)",
    }
)
"""Extensions of the runtime that stop at the server: they would open its memory and files to clients."""
_HOST_PARAMETERS = frozenset({"cache_dir"})
"""What the server itself adds to a model's parameters and clients have no use for: paths of this machine."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that an answer says were read and written; 0 where it says nothing."""

    prompt: int = 0
    output: int = 0


class TensorInference:
    """Runs tensor requests and tells what models are like."""

    def __init__(self, dispatcher: Dispatcher, metrics: Metrics) -> None:
        self._dispatcher = dispatcher
        self._metrics = metrics

    async def infer(self, model: ServedModel, request: InferRequest, call: Call) -> InferResponse:
        """One request, one answer.

        Args:
            model: of any task; one that answers in streams refuses.
            request: its model, identity and deadline are replaced by those of `model` and `call`.
            call: deadline, size and identity of the request.

        Raises:
            InvalidRequest: too many inputs or outputs, a tensor that contradicts itself or the model; names it.
            NotFound: the model has no such version.
            Unavailable, DeadlineExceeded, EngineError: as the runtime's contract says.
        """
        check_request(request)
        bound_tensors(request.inputs, model)
        ticket = await self._dispatcher.admit(model.root, call)
        try:
            answer = await self._dispatcher.infer(_addressed(request, model, call))
        finally:
            ticket.release()
        self._metrics.model(model.root).prompt_tokens.inc(usage_of(model, answer).prompt)
        return answer

    async def stream(
        self, model: ServedModel, request: InferRequest, call: Call
    ) -> AsyncGenerator[InferResponse, None]:
        """One request, any number of answers; only the last one is `final`, and it may hold no outputs.

        Closing the iterator, or cancelling the task that waits for it, cancels the request and frees its slot.

        Raises:
            InvalidRequest, NotFound, Unavailable, DeadlineExceeded, EngineError: as `infer`.
        """
        check_request(request)
        bound_tensors(request.inputs, model)
        meter = _Meter(model, self._metrics)
        ticket = await self._dispatcher.admit(model.root, call)
        try:
            answers = self._dispatcher.stream(_addressed(request, model, call))
            try:
                async for answer in answers:
                    meter.note(answer)
                    yield answer
            except Exception:
                meter.failed = True
                raise
            finally:
                await answers.aclose()
        finally:
            ticket.release()
            meter.close()

    async def server_metadata(self) -> Mapping[str, Any]:
        """KServe v2 server metadata: the runtime's, with those extensions that this server passes on.

        Raises:
            Unavailable: there is no runtime to ask.
        """
        metadata = await self._dispatcher.server_metadata()
        extensions = [name for name in metadata["extensions"] if name not in _NOT_OFFERED]
        return {**metadata, "extensions": extensions}

    async def metadata(self, model: ServedModel, version: str = "") -> Mapping[str, Any]:
        """KServe v2 model metadata, under the name the client used.

        Raises:
            InvalidRequest: `version` is not a version.
            NotFound: the model has no such version.
            Unavailable: the model cannot be asked now.
        """
        check_version(version)
        return {**await self._dispatcher.model_metadata(model.root, version), "name": model.name}

    async def config(self, model: ServedModel, version: str = "") -> Mapping[str, Any]:
        """Triton's model configuration, under the name the client used and without paths of this machine.

        Raises:
            InvalidRequest, NotFound, Unavailable: as `metadata`.
        """
        check_version(version)
        found = await self._dispatcher.model_config(model.root, version)
        given = found.get("parameters", {})
        parameters = {name: value for name, value in given.items() if name not in _HOST_PARAMETERS}
        return {**found, "parameters": parameters, "name": model.name}

    async def statistics(self, model: ServedModel | None = None, version: str = "") -> Mapping[str, Any]:
        """Triton's statistics of one model under the name the client used, or of every model.

        Raises:
            InvalidRequest, NotFound, Unavailable: as `metadata`.
        """
        check_version(version)
        if model is None:
            return await self._dispatcher.model_statistics()
        found = await self._dispatcher.model_statistics(model.root, version)
        return {"model_stats": [{**each, "name": model.name} for each in found["model_stats"]]}


def check_request(request: InferRequest) -> None:
    """Refuse what no model could answer, before it takes anybody's place.

    Raises:
        InvalidRequest: `param` is the tensor, or `outputs`, `inputs` or `version`.
    """
    check_version(request.version)
    if len(request.inputs) > MOST_INPUTS:
        raise InvalidRequest(f"{len(request.inputs)} inputs were sent; {MOST_INPUTS} are allowed.", param="inputs")
    if len(request.outputs) > MOST_OUTPUTS:
        raise InvalidRequest(
            f"{len(request.outputs)} outputs are asked for; {MOST_OUTPUTS} are allowed.", param="outputs"
        )
    if len(set(request.outputs)) != len(request.outputs):
        raise InvalidRequest("An output is asked for twice.", param="outputs")
    for name, tensor in request.inputs.items():
        if isinstance(tensor, RawTensor):
            check_raw(tensor, name)


def check_version(version: str) -> None:
    """Refuse what cannot be a version; empty means the newest.

    Raises:
        InvalidRequest: `param` is `version`.
    """
    if version and _VERSION.fullmatch(version) is None:
        raise InvalidRequest("A model version must be a whole number from 1 on.", param="version")


def usage_of(model: ServedModel, answer: InferResponse) -> Usage:
    """The tokens that an answer counts, where its model reads text and the outputs that count were asked for."""
    if model.task is Task.TENSOR:
        return Usage()
    if model.task is Task.GENERATE:
        return Usage(_sum(answer, "num_input_tokens"), _sum(answer, "num_output_tokens"))
    return Usage(_sum(answer, "tokens"))


def _sum(answer: InferResponse, name: str) -> int:
    tensor = answer.outputs.get(name)
    if tensor is None:
        return 0
    values = tensor_of(tensor, name) if isinstance(tensor, RawTensor) else tensor
    return int(values.sum()) if values.dtype.kind in "iu" else 0


def _addressed(request: InferRequest, model: ServedModel, call: Call) -> InferRequest:
    return replace(request, model=model.root, request_id=call.request_id, deadline=call.deadline)


class _Meter:
    """Measures one stream as `Generator` measures its own."""

    def __init__(self, model: ServedModel, metrics: Metrics) -> None:
        self._model = model
        self._metrics = metrics.model(model.root)
        self._previous = time.monotonic()
        self._pieces = 0
        self._usage = Usage()
        self._reason = ""
        self.failed = False

    def note(self, answer: InferResponse) -> None:
        """One piece has come."""
        if not answer.outputs or self._model.task is not Task.GENERATE:
            self._usage = usage_of(self._model, answer) if answer.outputs else self._usage
            return
        now = time.monotonic()
        (self._metrics.next_token if self._pieces else self._metrics.first_token).observe(now - self._previous)
        self._previous = now
        self._pieces += 1
        usage = usage_of(self._model, answer)
        self._usage = Usage(max(self._usage.prompt, usage.prompt), max(self._usage.output, usage.output))
        self._reason = _text(answer, "finish_reason") or self._reason

    def close(self) -> None:
        """The stream has ended, however it did."""
        if self._model.task is not Task.GENERATE:
            self._metrics.prompt_tokens.inc(self._usage.prompt)
            return
        reason = "error" if self.failed else self._reason if self._reason in FINISHED_REASONS else "abort"
        self._metrics.generation_ended(reason, self._usage.prompt, self._usage.output or self._pieces)


def _text(answer: InferResponse, name: str) -> str:
    tensor = answer.outputs.get(name)
    if tensor is None:
        return ""
    values = tensor_of(tensor, name) if isinstance(tensor, RawTensor) else tensor
    return bytes(values.item()).decode(errors="replace") if values.size == 1 else ""
