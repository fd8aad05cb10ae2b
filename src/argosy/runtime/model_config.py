"""`config.pbtxt` as frozen values, and the checks Triton makes on a request's tensors.

Source: Triton's `model_config.proto`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf import text_format  # type: ignore[import-untyped]
from tritonclient.grpc import model_config_pb2

from argosy.core.errors import InvalidModelEntry, InvalidRequest
from argosy.core.tensors import RawTensor, Tensor, check_raw, datatype_of
from argosy.runtime.classification import check_classifiable, wanted_classes
from argosy.runtime.contract import InferRequest, Parameter


@dataclass(frozen=True, slots=True)
class ModelTensor:
    """One input or output as configured.

    Attributes:
        datatype: KServe v2 name.
        shape: with the batch dimension where the model has one; -1 is any size.
        label_file: beside `config.pbtxt`, with the names of an output's indices, one a line; empty when it has none.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    optional: bool = False
    label_file: str = ""


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """What the runtime needs to know of a model.

    Attributes:
        max_batch_size: 0 when tensors have no batch dimension.
        decoupled: answers in a stream of any number of responses.
        max_queue_size: requests that may wait; 0 means any number.
        parameters: string parameters for the engine.
    """

    inputs: tuple[ModelTensor, ...]
    outputs: tuple[ModelTensor, ...]
    max_batch_size: int = 0
    decoupled: bool = False
    max_queue_size: int = 0
    parameters: Mapping[str, str] = field(default_factory=dict)


def read_config(path: Path) -> ModelConfig:
    """The config in the file `path`.

    Raises:
        InvalidModelEntry: it is not Triton's text format; the message has the line.
    """
    return from_message(read_message(path))


def read_message(path: Path) -> Any:
    """The `ModelConfig` message in the file `path`.

    Raises:
        InvalidModelEntry: it is not Triton's text format; the message has the line.
    """
    try:
        return text_format.Parse(path.read_text(encoding="utf-8"), model_config_pb2.ModelConfig())
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise InvalidModelEntry(f"{path} is not a Triton model config: {error}.") from error


def from_message(message: Any) -> ModelConfig:
    """The config in a `ModelConfig` message."""
    batch = (-1,) if message.max_batch_size > 0 else ()
    return ModelConfig(
        inputs=tuple(_tensor(item, batch, optional=item.optional) for item in message.input),
        outputs=tuple(_tensor(item, batch, label_file=item.label_filename) for item in message.output),
        max_batch_size=message.max_batch_size,
        decoupled=message.model_transaction_policy.decoupled,
        max_queue_size=message.dynamic_batching.default_queue_policy.max_queue_size,
        parameters={name: value.string_value for name, value in message.parameters.items()},
    )


def check_request(config: ModelConfig, request: InferRequest) -> None:
    """Refuse tensors that the model's config does not allow.

    Raises:
        InvalidRequest: a tensor is missing, unknown, or has a wrong type or shape; `param` names it.
    """
    known = {tensor.name: tensor for tensor in config.inputs}
    for name, tensor in request.inputs.items():
        if name not in known:
            raise InvalidRequest(f"The model {request.model!r} has no input {name!r}.", param=name)
        _check_tensor(known[name], tensor, config.max_batch_size)
    for wanted in config.inputs:
        if not wanted.optional and wanted.name not in request.inputs:
            raise InvalidRequest(f"The input {wanted.name!r} of {request.model!r} is missing.", param=wanted.name)
    if config.max_batch_size > 0 and len({tensor.shape[0] for tensor in request.inputs.values()}) > 1:
        raise InvalidRequest("All inputs must have the same batch size, their first dimension.")
    outputs = {tensor.name: tensor.datatype for tensor in config.outputs}
    for name in request.outputs:
        if name not in outputs:
            raise InvalidRequest(f"The model {request.model!r} has no output {name!r}.", param=name)
    for name in wanted_classes(request):
        check_classifiable(name, outputs[name])
    check_parameters(request.parameters)


def check_parameters(parameters: Mapping[str, Parameter]) -> None:
    """Refuse parameters that cannot be sent.

    Raises:
        InvalidRequest: a value has a wrong type, or does not fit 64 bits; `param` names it.
    """
    for name, value in parameters.items():
        if not isinstance(value, bool | int | float | str):
            raise InvalidRequest(f"The parameter {name!r} must be a boolean, a number or text.", param=name)
        if type(value) is int and not -(1 << 63) <= value < 1 << 64:
            raise InvalidRequest(f"The parameter {name!r} must fit 64 bits.", param=name)


def _check_tensor(wanted: ModelTensor, tensor: Tensor | RawTensor, max_batch_size: int) -> None:
    if isinstance(tensor, RawTensor):
        check_raw(tensor, wanted.name)
        datatype = tensor.datatype
    else:
        datatype = datatype_of(tensor)
        # NumPy has no BF16 that an array could carry.
        datatype = "BF16" if datatype == "UINT16" and wanted.datatype == "BF16" else datatype
    if datatype != wanted.datatype:
        raise InvalidRequest(
            f"The input {wanted.name!r} has type {datatype} and must have {wanted.datatype}.", param=wanted.name
        )
    fits = len(tensor.shape) == len(wanted.shape) and all(
        size in {-1, given} for size, given in zip(wanted.shape, tensor.shape, strict=True)
    )
    if not fits:
        raise InvalidRequest(
            f"The input {wanted.name!r} has shape {list(tensor.shape)} and must have {list(wanted.shape)}.",
            param=wanted.name,
        )
    if max_batch_size > 0 and not 0 < tensor.shape[0] <= max_batch_size:
        raise InvalidRequest(
            f"The input {wanted.name!r} has batch size {tensor.shape[0]} and must have 1 to {max_batch_size}.",
            param=wanted.name,
        )


def _tensor(item: Any, batch: tuple[int, ...], *, optional: bool = False, label_file: str = "") -> ModelTensor:
    name = str(model_config_pb2.DataType.Name(item.data_type)).removeprefix("TYPE_")
    shape = (*batch, *item.dims)
    return ModelTensor(item.name, "BYTES" if name == "STRING" else name, shape, optional, label_file)
