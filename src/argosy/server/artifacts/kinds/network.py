"""A bare network (`.onnx`, or `.xml` with its `.bin`): task tensor, ports as the network has them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from argosy.core.errors import InvalidModelEntry
from argosy.core.models import ModelSpec, Task
from argosy.server.artifacts import triton_config
from argosy.server.artifacts.plan import Plan
from argosy.server.artifacts.readers.network import Network, Port, read_network
from argosy.server.artifacts.readers.onnx_external import external_files
from argosy.server.artifacts.source import Source
from argosy.server.artifacts.triton_config import Batching, Tensor

ENGINE = "openvino"
TENSOR_BATCH = 32
"""Rows in one execution of a network whose inputs and outputs all begin with a free dimension."""

FILE_NAMES = ("model.xml", "openvino_model.xml", "openvino/openvino_model.xml", "model.onnx", "onnx/model.onnx")
"""Where a folder keeps its network, the form that loads fastest first."""


def find_network(source: Source) -> Path | None:
    """The network in a folder: one of `FILE_NAMES`, or the only `.xml` or `.onnx` file there is.

    Raises:
        InvalidModelEntry: several files could be meant.
    """
    if (named := source.find(*FILE_NAMES)) is not None:
        return named
    found = sorted(path.name for path in source.root.iterdir() if is_network(path))
    if len(found) > 1:
        raise InvalidModelEntry(f"{source.root} holds several networks ({', '.join(found)}); name one of the files.")
    return source.find(*found)


def is_network(path: Path) -> bool:
    """Whether the file's name says that it is a network; OpenVINO's tokenizers are not."""
    name = path.name.lower()
    if name.endswith(("tokenizer.xml", "detokenizer.xml")):
        return False
    return name.endswith(".onnx") or (name.endswith(".xml") and path.with_suffix(".bin").is_file())


def network_files(path: Path) -> tuple[dict[str, Path], frozenset[str]]:
    """The files of a network by name, and which of them must be copied.

    Raises:
        InvalidModelEntry: a file is missing or may not be read.
    """
    if path.suffix.lower() == ".onnx":
        # OpenVINO refuses external data behind a link; a copy also cannot be swapped for another file later.
        external = external_files(path)
        return {path.name: path, **{file.name: file for file in external}}, frozenset(file.name for file in external)
    weights = Source(path.parent).find(f"{path.stem}.bin")
    if weights is None:
        raise InvalidModelEntry(f"{path} has no {path.stem}.bin beside it; an OpenVINO IR needs both files.")
    return {path.name: path, weights.name: weights}, frozenset()


def plan_network(path: Path, name: str, origin: Mapping[str, Any]) -> Plan:
    """The entry of a bare network.

    Raises:
        InvalidModelEntry: the network cannot be read or served.
        MissingRequirement: OpenVINO is not installed.
    """
    files, copied = network_files(path)
    return plan_tensors(name, path.name, read_network(path), files, copied, origin)


def plan_tensors(
    name: str,
    model: str,
    network: Network,
    files: Mapping[str, Path],
    copied: frozenset[str],
    origin: Mapping[str, Any],
) -> Plan:
    """The entry of a network that is served by its tensors.

    Args:
        name: what clients call the model.
        model: what the engine opens in the version folder.
        network: its inputs and outputs.
        files: name in the version folder to the file it comes from.
        copied: names in `files` that must be copied.
        origin: where the model comes from, for the spec.

    Raises:
        InvalidModelEntry: a tensor cannot be carried.
    """
    spec = ModelSpec(name=name, task=Task.TENSOR, engine=ENGINE, model=model, source=origin)
    batching = Batching(TENSOR_BATCH if has_batch_dimension(network) else 0)
    inputs, outputs = (
        [_tensor(port, batched=batching.max_batch_size > 0) for port in ports]
        for ports in (network.inputs, network.outputs)
    )
    return Plan(spec, triton_config.render(spec, inputs, outputs, batching), files, copied=copied)


def has_batch_dimension(network: Network) -> bool:
    """Whether every input and output begins with a free dimension.

    Nothing in a network says that its first dimension counts rows. When it is free everywhere it is taken to; when
    it is fixed anywhere requests are never put together.
    """
    ports = (*network.inputs, *network.outputs)
    return all(port.shape[:1] == (triton_config.DYNAMIC,) for port in ports)


def _tensor(port: Port, *, batched: bool) -> Tensor:
    return Tensor(port.name, port.datatype, port.shape[1:] if batched else port.shape)
