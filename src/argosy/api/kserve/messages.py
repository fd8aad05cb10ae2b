"""Bodies and answers of the KServe routes.

Source: KServe Open Inference Protocol v2 (REST) and Triton's extensions: binary tensor data, classification,
generate, model configuration, model repository, parameters, schedule policy, sequence, statistics.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from argosy.core.tensors import DATATYPES
from argosy.server.dataplane.infer import MOST_INPUTS, MOST_OUTPUTS

DATATYPE_NAMES = (*DATATYPES, "BF16")
_MOST_DIMENSIONS = 32
_MOST_CLASSES = 1 << 20

Name = Annotated[str, Meta(min_length=1, max_length=1024)]
Size = Annotated[int, Meta(ge=0)]
Datatype = Annotated[str, Meta(extra_json_schema={"enum": list(DATATYPE_NAMES)})]


class InputParameters(msgspec.Struct, frozen=True):
    """Of one input; with `binary_data_size` its elements follow the JSON."""

    binary_data_size: Size | None = None
    shared_memory_region: Any = None


class InferInputBody(msgspec.Struct, frozen=True):
    """One input tensor."""

    name: Name
    shape: Annotated[list[Size], Meta(max_length=_MOST_DIMENSIONS)]
    datatype: Datatype
    data: Any = None
    parameters: InputParameters | None = None


class OutputParameters(msgspec.Struct, frozen=True):
    """Of one output; `classification` asks for so many `value:index[:label]` in its place."""

    binary_data: bool | None = None
    classification: Annotated[int, Meta(ge=0, le=_MOST_CLASSES)] | None = None
    shared_memory_region: Any = None


class InferOutputBody(msgspec.Struct, frozen=True):
    """One output wanted."""

    name: Name
    parameters: OutputParameters | None = None


class InferBody(msgspec.Struct, frozen=True):
    """The request; no `outputs` means all of them."""

    inputs: Annotated[list[InferInputBody], Meta(max_length=MOST_INPUTS)]
    outputs: Annotated[list[InferOutputBody], Meta(max_length=MOST_OUTPUTS)] | None = None
    id: str | None = None
    parameters: dict[str, Any] | None = None


class InferOutputReply(msgspec.Struct, frozen=True):
    """One output tensor; its elements are in `data`, row-major and flat, or follow the JSON."""

    name: str
    datatype: str
    shape: list[int]
    data: list[bool | int | float | str] | None = None
    parameters: dict[str, Any] | None = None


class InferReply(msgspec.Struct, frozen=True):
    """The answer."""

    model_name: str
    model_version: str
    outputs: list[InferOutputReply]
    id: str | None = None
    parameters: dict[str, Any] | None = None


class GenerateBody(msgspec.Struct, frozen=True):
    """Inputs of the model by name and parameters, side by side or inside of `parameters`.

    Language models take the fields below, those of `sampling_parameters` also without it, and warn of others. Other
    models take their inputs by name and whatever else there is as request parameters, as `infer` does.
    """

    text_input: str | None = None
    id: str | int | None = None
    parameters: dict[str, Any] | None = None


class GenerateReply(msgspec.Struct, frozen=True):
    """Outputs of the model by name; a tensor of one element is a value, any other a flat list."""

    model_name: str
    model_version: str
    id: str | int | None = None
    text_output: str | None = None


class ServerMetadata(msgspec.Struct, frozen=True):
    """What answers, and which extensions it knows."""

    name: str
    version: str
    extensions: list[str]


class ServerLive(msgspec.Struct, frozen=True):
    """Whether the process answers."""

    live: bool


class ServerReady(msgspec.Struct, frozen=True):
    """Whether every model answers."""

    ready: bool


class ModelReady(msgspec.Struct, frozen=True):
    """Whether one model answers."""

    name: str
    ready: bool


class TensorMetadata(msgspec.Struct, frozen=True):
    """A tensor of a model; -1 is any size."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(msgspec.Struct, frozen=True):
    """Tensors and versions of a model."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ModelConfiguration(msgspec.Struct, frozen=True):
    """Triton's model configuration, with the names of `config.pbtxt`; these are the fields always there."""

    name: str
    backend: str
    max_batch_size: int
    input: list[dict[str, Any]]
    output: list[dict[str, Any]]


class ModelStatistics(msgspec.Struct, frozen=True):
    """Triton's statistics, one entry a model and version."""

    model_stats: list[dict[str, Any]]


class IndexBody(msgspec.Struct, frozen=True):
    """Which models to list."""

    ready: bool | None = None


class IndexEntry(msgspec.Struct, frozen=True):
    """A model and how it stands; `reason` says why it is not READY."""

    name: str
    version: str
    state: str
    reason: str


class LoadBody(msgspec.Struct, frozen=True):
    """Nothing may be overridden."""

    parameters: dict[str, Any] | None = None


class UnloadBody(msgspec.Struct, frozen=True):
    """How to unload."""

    parameters: dict[str, Any] | None = None


class Done(msgspec.Struct, frozen=True):
    """Nothing more to say."""
