"""One profile as OpenVINO IR: fp32, 16-bit weights for bf16 arithmetic, int8 by NNCF, or 4-bit weights."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from openvino import opset15 as ops

from argosy.conversion.sources.kinds import Kind

_NETWORK = "openvino_model.xml"
_SMALL = 4096
"""Constants below this many numbers stay in f32: rounding the rotation frequencies would move positions."""
_GROUPS = (128, 64, 32)
_WEIGHT_FILES = (".safetensors", ".onnx", ".data")


def perform(request: Mapping[str, Any], output: Path) -> dict[str, Any]:
    """Write `openvino_model.xml` and `.bin`, and beside them the files that say how the model reads its input.

    Returns:
        `bytes` of the weights.
    """
    network = ov.Core().read_model(request["network"])
    kind = Kind(request["kind"])
    if request["activations"] == "int8":
        network = _quantised(network, kind, Path(request["samples"]))
    elif request["weights"] in {"int8", "int4"}:
        network = _compressed(network, request["weights"])
    if request["weights"] != "fp32":
        _halve(network)
    ov.save_model(network, output / _NETWORK, compress_to_fp16=False)
    _copy_beside(Path(request["model"]), output)
    return {"bytes": (output / _NETWORK).with_suffix(".bin").stat().st_size}


def _quantised(network: ov.Model, kind: Kind, samples: Path) -> ov.Model:
    """Weights and activations in 8 bits, with the ranges that the calibration half of the samples shows."""
    import nncf  # noqa: PLC0415 - imports for seconds, and three profiles of four do without it

    rows = _calibration(samples)
    dataset = nncf.Dataset(rows)
    transformer = nncf.ModelType.TRANSFORMER if kind.reads_text else None
    preset = nncf.QuantizationPreset.MIXED if transformer else nncf.QuantizationPreset.PERFORMANCE
    return nncf.quantize(network, dataset, preset=preset, model_type=transformer, subset_size=len(rows))


def _calibration(path: Path) -> list[dict[str, np.ndarray]]:
    """The first half of the samples, inputs by name."""
    from safetensors.numpy import load_file  # noqa: PLC0415

    rows: dict[int, dict[str, np.ndarray]] = {}
    for key, value in load_file(path).items():
        index, _, name = key.partition(".")
        rows.setdefault(int(index), {})[name] = value
    return [rows[index] for index in sorted(rows)[: len(rows) // 2]]


def _compressed(network: ov.Model, weights: str) -> ov.Model:
    import nncf  # noqa: PLC0415

    if weights == "int8":
        return nncf.compress_weights(network, mode=nncf.CompressWeightsMode.INT8_ASYM)
    return nncf.compress_weights(
        network, mode=nncf.CompressWeightsMode.INT4_ASYM, group_size=_group(network), ratio=0.8
    )


def _group(network: ov.Model) -> int:
    """Weights that share a scale: the largest size that every matrix can be cut into, else whole rows."""
    widths = [node.input_value(1).get_partial_shape() for node in network.get_ops() if node.get_type_name() == "MatMul"]
    lengths = [shape[-1].get_length() for shape in widths if shape.rank.is_static and shape[-1].is_static]
    return next((size for size in _GROUPS if all(length % size == 0 for length in lengths)), -1)


def _halve(network: ov.Model) -> None:
    """Store large f32 constants in 16 bits; the network widens them again as it is loaded."""
    for node in network.get_ops():
        if node.get_type_name() != "Constant" or node.get_element_type() != ov.Type.f32:
            continue
        values = node.get_data()
        if values.size < _SMALL or np.abs(values).max(initial=0) > np.finfo(np.float16).max:
            continue
        readers: Iterable[Any] = list(node.output(0).get_target_inputs())
        widened = ops.convert(ops.constant(values.astype(np.float16)), "f32")
        widened.set_friendly_name(node.get_friendly_name())
        for reader in readers:
            reader.replace_source_output(widened.output(0))
    network.validate_nodes_and_infer_types()


def _copy_beside(model: Path, output: Path) -> None:
    for path in sorted(model.rglob("*")):
        if path.is_file() and path.suffix not in _WEIGHT_FILES and path.name != "model.safetensors.index.json":
            target = output / path.relative_to(model)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
