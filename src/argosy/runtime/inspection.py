"""What KServe v2 tells of a server and its models, as plain mappings.

Source: KServe Open Inference Protocol v2, server and model metadata; Triton's model configuration and statistics
extensions.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from google.protobuf import json_format  # type: ignore[import-untyped]

from argosy.runtime.model_config import from_message


def plain(message: Any) -> dict[str, Any]:
    """A message in protobuf's JSON form with the names of its `.proto`.

    Unlike protobuf's own form, 64-bit integers are numbers; fields without a value are there with their defaults.
    """
    data: dict[str, Any] = json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return _numbers(message.DESCRIPTOR, data)


def metadata_of(config: Any, versions: Iterable[int]) -> dict[str, Any]:
    """KServe v2 model metadata of a `ModelConfig` message."""
    tensors = from_message(config)
    return {
        "name": config.name,
        "versions": [str(version) for version in versions],
        "platform": config.platform or config.backend,
        "inputs": [
            {"name": item.name, "datatype": item.datatype, "shape": list(item.shape)} for item in tensors.inputs
        ],
        "outputs": [
            {"name": item.name, "datatype": item.datatype, "shape": list(item.shape)} for item in tensors.outputs
        ],
    }


def _numbers(descriptor: Any, data: dict[str, Any]) -> dict[str, Any]:
    fields = descriptor.fields_by_name
    return {name: _field(fields[name], value) for name, value in data.items()}


def _field(field: Any, value: Any) -> Any:
    if isinstance(value, list):
        return [_single(field, item) for item in value]
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        entry = field.message_type.fields_by_name["value"]
        return {key: _single(entry, item) for key, item in value.items()}
    return _single(field, value)


def _single(field: Any, value: Any) -> Any:
    if field.cpp_type in {field.CPPTYPE_INT64, field.CPPTYPE_UINT64}:
        return int(value)
    return value if field.message_type is None else _numbers(field.message_type, value)
