"""Inputs and outputs of an ONNX file or an OpenVINO IR, as OpenVINO sees them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from argosy.core.errors import InvalidModelEntry, MissingRequirement

_DATATYPES = {
    "boolean": "BOOL",
    "u8": "UINT8",
    "u16": "UINT16",
    "u32": "UINT32",
    "u64": "UINT64",
    "i8": "INT8",
    "i16": "INT16",
    "i32": "INT32",
    "i64": "INT64",
    "f16": "FP16",
    "f32": "FP32",
    "f64": "FP64",
    "string": "BYTES",
}


@dataclass(frozen=True, slots=True)
class Port:
    """One input or output.

    Attributes:
        datatype: KServe v2 name.
        shape: -1 where a dimension is dynamic.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Network:
    """What goes into a network and what comes out, in the network's order."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]

    def output(self, *names: str) -> Port | None:
        """The output with the first of `names` that exists."""
        found = {port.name: port for port in self.outputs}
        return next((found[name] for name in names if name in found), None)


def read_network(path: Path) -> Network:
    """Inputs and outputs of the network at `path`; nothing is compiled.

    Raises:
        InvalidModelEntry: OpenVINO cannot read it, or a port has no name, no fixed number of dimensions, or a
            type that the KServe v2 protocol lacks.
        MissingRequirement: OpenVINO is not installed.
    """
    try:
        import openvino  # noqa: PLC0415 - takes a second, and a serving process that adopts nothing never needs it
    except ImportError as error:
        raise MissingRequirement(f"OpenVINO cannot be imported ({error}): pip install openvino") from error
    try:
        model = openvino.Core().read_model(path)
    except RuntimeError as error:
        raise InvalidModelEntry(f"OpenVINO cannot read {path}: {_cause(error)}") from error
    return Network(
        tuple(_port(path, port, "input") for port in model.inputs),
        tuple(_port(path, port, "output") for port in model.outputs),
    )


def _port(path: Path, port: Any, role: str) -> Port:
    names = port.get_names()
    if not names:
        raise InvalidModelEntry(f"{path} has an {role} without a name; name all inputs and outputs at export.")
    name = port.get_any_name()
    shape = port.get_partial_shape()
    if shape.rank.is_dynamic:
        raise InvalidModelEntry(
            f"{path}: {role} {name!r} has no fixed number of dimensions; export the model with a fixed rank."
        )
    kind = port.get_element_type().get_type_name()
    if kind not in _DATATYPES:
        raise InvalidModelEntry(
            f"{path}: {role} {name!r} has the type {kind}, which the KServe v2 protocol cannot carry; "
            "export the model with float32 inputs and outputs."
        )
    return Port(name, _DATATYPES[kind], tuple(-1 if size.is_dynamic else size.get_length() for size in shape))


def _cause(error: RuntimeError) -> str:
    """OpenVINO's last line that says something; the lines before it are its own file names."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"
