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
        backend: name of the Triton backend that runs it.
    """

    inputs: tuple[ModelTensor, ...]
    outputs: tuple[ModelTensor, ...]
    max_batch_size: int = 0
    decoupled: bool = False
    max_queue_size: int = 0
    parameters: Mapping[str, str] = field(default_factory=dict)
    backend: str = ""
    _inputs: Mapping[str, ModelTensor] = field(init=False, repr=False, compare=False)
    _outputs: Mapping[str, str] = field(init=False, repr=False, compare=False)
    _required: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Every request is checked, so what the check looks up is laid out once.
        object.__setattr__(self, "_inputs", {tensor.name: tensor for tensor in self.inputs})
        object.__setattr__(self, "_outputs", {tensor.name: tensor.datatype for tensor in self.outputs})
        object.__setattr__(self, "_required", tuple(tensor.name for tensor in self.inputs if not tensor.optional))

    def check(self, request: InferRequest) -> None:
        """Refuse tensors that this config does not allow.

        Raises:
            InvalidRequest: a tensor is missing, unknown, or has a wrong type or shape; `param` names it.
        """
        inputs = request.inputs
        for name, tensor in inputs.items():
            wanted = self._inputs.get(name)
            if wanted is None:
                raise InvalidRequest(f"The model {request.model!r} has no input {name!r}.", param=name)
            _check_tensor(wanted, tensor, self.max_batch_size)
        for name in self._required:
            if name not in inputs:
                raise InvalidRequest(f"The input {name!r} of {request.model!r} is missing.", param=name)
        if self.max_batch_size > 0 and len(inputs) > 1 and len({tensor.shape[0] for tensor in inputs.values()}) > 1:
            raise InvalidRequest("All inputs must have the same batch size, their first dimension.")
        for name in request.outputs:
            if name not in self._outputs:
                raise InvalidRequest(f"The model {request.model!r} has no output {name!r}.", param=name)
        if request.output_parameters:
            for name in wanted_classes(request):
                check_classifiable(name, self._outputs[name])
        check_parameters(request.parameters)


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


def to_text(message: Any) -> str:
    """The `ModelConfig` message in the form of `config.pbtxt`."""
    return str(text_format.MessageToString(message, as_utf8=True))


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
        backend=message.backend,
    )


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
    if tensor.shape != wanted.shape and not _fits(tensor.shape, wanted.shape):
        raise InvalidRequest(
            f"The input {wanted.name!r} has shape {list(tensor.shape)} and must have {list(wanted.shape)}.",
            param=wanted.name,
        )
    if max_batch_size > 0 and not 0 < tensor.shape[0] <= max_batch_size:
        raise InvalidRequest(
            f"The input {wanted.name!r} has batch size {tensor.shape[0]} and must have 1 to {max_batch_size}.",
            param=wanted.name,
        )


def _fits(given: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    return len(given) == len(wanted) and all(size in {-1, found} for size, found in zip(wanted, given, strict=True))


def _tensor(item: Any, batch: tuple[int, ...], *, optional: bool = False, label_file: str = "") -> ModelTensor:
    name = str(model_config_pb2.DataType.Name(item.data_type)).removeprefix("TYPE_")
    shape = (*batch, *item.dims)
    return ModelTensor(item.name, "BYTES" if name == "STRING" else name, shape, optional, label_file)
