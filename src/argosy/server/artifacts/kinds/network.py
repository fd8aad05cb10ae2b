"""A bare network (`.onnx`, or `.xml` with its `.bin`): task tensor, ports as the network has them.

OpenVINO serves all of them. Triton's own ONNX Runtime backend serves `.onnx` files, on processors and GPUs, where the
Triton here has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from argosy.core.errors import InvalidModelEntry
from argosy.core.models import ModelSpec, Task
from argosy.engines.native import NATIVE
from argosy.server.artifacts import triton_config
from argosy.server.artifacts.plan import Plan
from argosy.server.artifacts.readers.network import Network, Port, read_network
from argosy.server.artifacts.readers.onnx_external import external_files
from argosy.server.artifacts.source import Source
from argosy.server.artifacts.triton_config import Accelerator, Batching, Instance, Placement, Tensor

ENGINE = "openvino"
ONNX_RUNTIME = "onnxruntime"
TENSOR_BATCH = 32
"""Rows in one execution of a network whose inputs and outputs all begin with a free dimension."""

FILE_NAMES = ("model.xml", "openvino_model.xml", "openvino/openvino_model.xml", "model.onnx", "onnx/model.onnx")
"""Where a folder keeps its network, the form that loads fastest first."""


@dataclass(frozen=True, slots=True)
class Runs:
    """What a network is served by.

    Attributes:
        engine: `openvino`, `onnxruntime` or `tensorrt`.
        gpu: whether its instances are on a GPU.
        accelerators: of ONNX Runtime on a GPU.
        max_batch: rows in one execution of a network with a free first dimension.
    """

    engine: str = ENGINE
    gpu: bool = False
    accelerators: tuple[Accelerator, ...] = ()
    max_batch: int = TENSOR_BATCH

    @property
    def placement(self) -> Placement | None:
        """For the config; None leaves it as it is for the engine."""
        return Placement(Instance.GPU, accelerators=self.accelerators) if self.gpu else None


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


def plan_network(path: Path, name: str, origin: Mapping[str, Any], runs: Runs | None = None) -> Plan:
    """The entry of a bare network.

    Args:
        path: of the `.onnx` or `.xml` file.
        name: what clients call the model.
        origin: where it comes from, for the spec.
        runs: what serves it; None is OpenVINO.

    Raises:
        InvalidModelEntry: the network cannot be read or served.
        MissingRequirement: OpenVINO, which reads the network's inputs and outputs, is not installed.
    """
    runs = runs or Runs()
    files, copied = network_files(path)
    if runs.engine != ONNX_RUNTIME:
        return plan_tensors(name, path.name, read_network(path), files, copied, origin)
    if path.suffix.lower() != ".onnx":
        raise InvalidModelEntry(f"{path}: ONNX Runtime reads .onnx files only; serve this one with OpenVINO.")
    # The weights beside it keep the names that the network knows them by.
    main = NATIVE[ONNX_RUNTIME].file
    named = {main if file == path.name else file: place for file, place in files.items()}
    return plan_tensors(name, main, read_network(path), named, copied, origin, runs)


def plan_built(file: Path, network: Path, name: str, origin: Mapping[str, Any], runs: Runs) -> Plan:
    """The entry of what was built from a network for one of Triton's own backends.

    Args:
        file: what the backend opens; the weights of an `.onnx` file may lie beside it.
        network: the `.onnx` file it was built from, which has the same inputs and outputs and can be read here.
        name: what clients call the model.
        origin: where it comes from, for the spec.
        runs: what serves it.

    Raises:
        InvalidModelEntry: the network cannot be read or served.
        MissingRequirement: OpenVINO, which reads the network's inputs and outputs, is not installed.
    """
    main = NATIVE[runs.engine].file
    files, copied = network_files(file) if file.suffix == ".onnx" else ({file.name: file}, frozenset())
    named = {main if key == file.name else key: place for key, place in files.items()}
    return plan_tensors(name, main, read_network(network), named, copied, origin, runs)


def plan_tensors(
    name: str,
    model: str,
    network: Network,
    files: Mapping[str, Path],
    copied: frozenset[str],
    origin: Mapping[str, Any],
    runs: Runs | None = None,
) -> Plan:
    """The entry of a network that is served by its tensors.

    Args:
        name: what clients call the model.
        model: what the engine opens in the version folder.
        network: its inputs and outputs.
        files: name in the version folder to the file it comes from.
        copied: names in `files` that must be copied.
        origin: where the model comes from, for the spec.
        runs: what serves it; None is OpenVINO.

    Raises:
        InvalidModelEntry: a tensor cannot be carried.
    """
    runs = runs or Runs()
    source = {**origin, "device": "gpu"} if runs.gpu else origin
    spec = ModelSpec(name=name, task=Task.TENSOR, engine=runs.engine, model=model, source=source)
    batching = Batching(runs.max_batch if has_batch_dimension(network) else 0)
    inputs, outputs = (
        [_tensor(port, batched=batching.max_batch_size > 0) for port in ports]
        for ports in (network.inputs, network.outputs)
    )
    return Plan(spec, triton_config.render(spec, inputs, outputs, batching, runs.placement), files, copied=copied)


def has_batch_dimension(network: Network) -> bool:
    """Whether every input and output begins with a free dimension.

    Nothing in a network says that its first dimension counts rows. When it is free everywhere it is taken to; when
    it is fixed anywhere requests are never put together.
    """
    ports = (*network.inputs, *network.outputs)
    return all(port.shape[:1] == (triton_config.DYNAMIC,) for port in ports)


def _tensor(port: Port, *, batched: bool) -> Tensor:
    return Tensor(port.name, port.datatype, port.shape[1:] if batched else port.shape)
