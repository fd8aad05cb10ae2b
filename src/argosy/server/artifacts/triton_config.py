"""The text of `config.pbtxt`; the one place that writes it.

Source: Triton's `model_config.proto` (text format). Tensors by task are those of `argosy.engines.contract`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from argosy.core.errors import InvalidModelEntry
from argosy.core.models import ModelSpec, Task
from argosy.engines.native import NATIVE, backend_of

DYNAMIC = -1
"""A dimension that is known only when a request arrives."""

ENCODER_BATCH = 64
"""Rows that Triton gathers for one execution of a text encoder."""

_TRITON_TYPES = {"BYTES": "TYPE_STRING"}


@dataclass(frozen=True, slots=True)
class Tensor:
    """One input or output.

    Attributes:
        datatype: KServe v2 name.
        dims: without the batch dimension when the model has one; -1 is dynamic; empty for a single number.
        optional: whether a request may leave it out (inputs only).
        ragged: whether requests of different shapes may share an execution (inputs only).
    """

    name: str
    datatype: str
    dims: tuple[int, ...]
    optional: bool = False
    ragged: bool = False


@dataclass(frozen=True, slots=True)
class Batching:
    """How Triton gathers requests.

    Attributes:
        max_batch_size: rows in one execution; 0 when the model has no batch dimension.
        max_queue_delay: microseconds that a request waits for company; 0 takes what is there.
    """

    max_batch_size: int = 0
    max_queue_delay: int = 0


class Instance(StrEnum):
    """What an instance of a model runs on, in Triton's words."""

    CPU = "KIND_CPU"
    GPU = "KIND_GPU"


@dataclass(frozen=True, slots=True)
class Accelerator:
    """What ONNX Runtime hands a network to on a GPU; without one it is the CUDA execution provider with its defaults.

    Attributes:
        name: `tensorrt`, or `cuda` to give that parameters.
        parameters: of the execution provider, as Triton's onnxruntime_backend spells them (`precision_mode`,
            `max_workspace_size_bytes`, `trt_engine_cache_enable`, `cudnn_conv_use_max_workspace`, …).
    """

    name: str
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the instances of a model are and what helps them; for Triton's own backends.

    Attributes:
        count: instances on each device.
    """

    instance: Instance = Instance.CPU
    count: int = 1
    accelerators: tuple[Accelerator, ...] = ()


def render(
    spec: ModelSpec,
    inputs: Iterable[Tensor] = (),
    outputs: Iterable[Tensor] = (),
    batching: Batching | None = None,
    placement: Placement | None = None,
) -> str:
    """The config of an entry.

    Args:
        spec: what the entry is.
        inputs: for task `tensor` only; the other tasks' tensors are given by the engine contract.
        outputs: as `inputs`.
        batching: None means what suits the task.
        placement: None is one instance on the processor, or on the GPU for engines that run nowhere else.

    Raises:
        InvalidModelEntry: task `tensor` without inputs or outputs, or with a tensor that Triton cannot carry; an
            engine that cannot do the task, or cannot run there.
    """
    inputs, outputs = (tuple(inputs), tuple(outputs)) if spec.task is Task.TENSOR else task_tensors(spec)
    placement = placement or _usual_placement(spec)
    _check_native(spec, placement)
    if spec.engine == "tensorrt" and not inputs and not outputs:
        return _completed_by_triton(spec, placement)
    if not inputs or not outputs:
        raise InvalidModelEntry(f"Model {spec.name!r} has no {'outputs' if inputs else 'inputs'}; it cannot be served.")
    batching = batching or (Batching() if spec.task in {Task.GENERATE, Task.TENSOR} else Batching(ENCODER_BATCH))
    if batching.max_batch_size == 0:
        _refuse_single_numbers(spec, (*inputs, *outputs))
    lines = [
        f"name: {_quoted(spec.name)}",
        f"backend: {_quoted(backend_of(spec.engine))}",
        f"max_batch_size: {batching.max_batch_size}",
        *_scheduling(spec, batching),
        *(_block("input", tensor) for tensor in inputs),
        *(_block("output", tensor) for tensor in outputs),
        *_instances(placement),
    ]
    return "\n".join(lines) + "\n"


def task_tensors(spec: ModelSpec) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Inputs and outputs of a task other than `tensor`, as the table in `argosy.engines.contract` has them."""
    tokens = Tensor("tokens", "INT32", (1,))
    match spec.task:
        case Task.EMBED:
            dimensions = spec.text.dimensions if spec.text else 0
            return _text_or_ids("text", "token_ids", ragged=True), (
                Tensor("embedding", "FP32", (dimensions or DYNAMIC,)),
                tokens,
            )
        case Task.RANK:
            pair = (Tensor("query", "BYTES", (1,)), Tensor("passage", "BYTES", (1,)))
            return pair, (Tensor("logit", "FP32", (1,)), tokens)
        case Task.CLASSIFY:
            probabilities = Tensor("probabilities", "FP32", (len(spec.labels) or DYNAMIC,))
            return (Tensor("text", "BYTES", (1,)),), (probabilities, tokens)
        case Task.GENERATE:
            sampling = Tensor("sampling_parameters", "BYTES", (1,), optional=True)
            counts = tuple(Tensor(f"num_{side}_tokens", "INT32", (1,)) for side in ("input", "output"))
            answer = tuple(Tensor(name, "BYTES", (1,)) for name in ("text_output", "finish_reason"))
            logprobs = Tensor("logprobs", "BYTES", (1,))
            return (*_text_or_ids("text_input", "input_ids", ragged=False), sampling), (*answer, *counts, logprobs)
        case Task.TENSOR:
            return (), ()


def _usual_placement(spec: ModelSpec) -> Placement:
    # One process: the engine inside it runs requests in parallel itself.
    native = NATIVE.get(spec.engine)
    return Placement(Instance.GPU if native is not None and native.needs_gpu else Instance.CPU)


def _check_native(spec: ModelSpec, placement: Placement) -> None:
    native = NATIVE.get(spec.engine)
    if native is None:
        return
    if spec.task is not Task.TENSOR:
        raise InvalidModelEntry(
            f"Model {spec.name!r}: Triton's backend {spec.engine} takes and gives tensors; it cannot do task "
            f"'{spec.task}'. Say task: tensor, or choose another engine."
        )
    if native.needs_gpu and placement.instance is not Instance.GPU:
        raise InvalidModelEntry(f"Model {spec.name!r}: {spec.engine} runs on NVIDIA GPUs only.")


def _completed_by_triton(spec: ModelSpec, placement: Placement) -> str:
    """A config that leaves tensors and batch size to the backend, which reads them from the engine as it loads it."""
    lines = [f"name: {_quoted(spec.name)}", f"backend: {_quoted(backend_of(spec.engine))}", *_instances(placement)]
    return "\n".join(lines) + "\n"


def _instances(placement: Placement) -> list[str]:
    lines = [f"instance_group [{{ count: {placement.count} kind: {placement.instance} }}]"]
    if placement.accelerators:
        found = ", ".join(_accelerator(each) for each in placement.accelerators)
        lines.append(f"optimization {{ execution_accelerators {{ gpu_execution_accelerator: [ {found} ] }} }}")
    return lines


def _accelerator(accelerator: Accelerator) -> str:
    parameters = "".join(
        f" parameters {{ key: {_quoted(key)} value: {_quoted(value)} }}"
        for key, value in sorted(accelerator.parameters.items())
    )
    return f"{{ name: {_quoted(accelerator.name)}{parameters} }}"


def _refuse_single_numbers(spec: ModelSpec, tensors: Iterable[Tensor]) -> None:
    # Triton loads `reshape: { shape: [ ] }` only where a batch dimension remains.
    for tensor in tensors:
        if not tensor.dims:
            raise InvalidModelEntry(
                f"Model {spec.name!r}: {tensor.name!r} is a single number without dimensions, which Triton cannot "
                "carry for a model without a batch dimension; export it with the shape [1]."
            )


def _text_or_ids(text: str, ids: str, *, ragged: bool) -> tuple[Tensor, ...]:
    return Tensor(text, "BYTES", (1,), optional=True), Tensor(ids, "INT32", (DYNAMIC,), optional=True, ragged=ragged)


def _scheduling(spec: ModelSpec, batching: Batching) -> list[str]:
    if spec.task is Task.GENERATE:
        return ["model_transaction_policy { decoupled: true }"]
    if batching.max_batch_size == 0:
        return []
    if batching.max_queue_delay == 0:
        return ["dynamic_batching { }"]
    return [f"dynamic_batching {{ max_queue_delay_microseconds: {batching.max_queue_delay} }}"]


def _block(kind: str, tensor: Tensor) -> str:
    # Triton wants at least one dimension; a single number is one element that the backend sees without it.
    dims = ", ".join(map(str, tensor.dims)) if tensor.dims else "1"
    parts = [
        f"name: {_quoted(tensor.name)}",
        f"data_type: {_TRITON_TYPES.get(tensor.datatype, f'TYPE_{tensor.datatype}')}",
        f"dims: [ {dims} ]",
        *(() if tensor.dims else ("reshape: { shape: [ ] }",)),
        *(("optional: true",) if tensor.optional else ()),
        *(("allow_ragged_batch: true",) if tensor.ragged else ()),
    ]
    return f"{kind} [{{ {' '.join(parts)} }}]"


def _quoted(text: str) -> str:
    # Network tensor names come from files: JSON's escapes are a subset of protobuf's, given ASCII and no \u.
    if not text.isascii() or not text.isprintable():
        raise InvalidModelEntry(f"The name {text!r} has characters that Triton's config cannot hold; rename it.")
    return json.dumps(text)
