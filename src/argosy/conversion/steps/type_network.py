"""Puts a profile's precision into an ONNX network, for TensorRT and for ONNX Runtime.

TensorRT 11 has no flags for precision any more and TensorRT 10 advises against them: a network is "strongly typed",
which means that each layer computes in the types that the network itself has. What types those are is decided here, by
NVIDIA's Model Optimizer, on the processor: AutoCast for 16 bits, explicit quantisation (Q/DQ nodes) for 8. Inputs and
outputs keep their types.

Sources: TensorRT's "Migrating from TensorRT 10.x to 11.x"; `modelopt.onnx.autocast`, `modelopt.onnx.quantization`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from safetensors.numpy import load_file

_NETWORK = "model.onnx"
_WEIGHTS = "model.onnx.data"
_LARGEST_INLINE = 1 << 30
"""A protobuf message ends at 2 GiB."""
_HALF = {"fp16", "bf16"}
_EIGHT_BITS = {"int8", "fp8"}


def perform(request: Mapping[str, Any], output: Path) -> dict[str, Any]:
    """Write `model.onnx` in the types of `precision`, calibrated on the first half of the samples.

    Returns:
        `types`: how many weights there are of each type; `quantised`: how many nodes round to 8 bits.

    Raises:
        ValueError: there is no such precision, or nothing in the network can be computed in it.
    """
    network, precision = Path(request["network"]), str(request["precision"])
    if precision == "fp32":
        _save(onnx.load(network), output / _NETWORK)
    elif precision in _HALF:
        _cast(network, precision, Path(request["samples"]), output)
    elif precision in _EIGHT_BITS:
        _quantise(network, precision, Path(request["samples"]), output)
    else:
        raise ValueError(f"no network is typed as {precision!r}")
    types, quantised = _census(output / _NETWORK)
    if precision in _EIGHT_BITS and not quantised:
        raise ValueError(f"Model Optimizer found nothing in the network that could be computed in {precision}")
    return {"types": types, "quantised": quantised}


def _cast(network: Path, precision: str, samples: Path, output: Path) -> None:
    """16 bits wherever the values that a sample shows fit; the rest, and inputs and outputs, stay f32."""
    from modelopt.onnx.autocast import convert_to_mixed_precision  # noqa: PLC0415 - takes seconds

    shown = output / "sample.npz"
    np.savez(shown, **_calibration(samples)[0])
    typed = convert_to_mixed_precision(
        onnx_path=str(network),
        low_precision_type=precision,
        keep_io_types=True,
        calibration_data=str(shown),
        providers=["cpu"],
    )
    shown.unlink()
    _save(typed, output / _NETWORK)


def _quantise(network: Path, precision: str, samples: Path, output: Path) -> None:
    """8 bits in matrix products and convolutions, 16 elsewhere."""
    from modelopt.onnx.quantization import quantize  # noqa: PLC0415 - takes seconds

    quantize(
        onnx_path=str(network),
        quantize_mode=precision,
        calibration_data_reader=_Reader(_calibration(samples)),
        calibration_eps=["cpu"],
        high_precision_dtype="fp16",
        use_external_data_format=_bytes(network.parent) > _LARGEST_INLINE,
        output_path=str(output / _NETWORK),
    )


class _Reader:
    """What Model Optimizer asks for samples, one at a time: ONNX Runtime's `CalibrationDataReader`."""

    def __init__(self, rows: list[dict[str, np.ndarray]]) -> None:
        self._rows = rows
        self._next = iter(rows)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next sample, None after the last."""
        return next(self._next, None)

    def get_first(self) -> dict[str, np.ndarray]:
        """A sample to look at."""
        return self._rows[0]

    def rewind(self) -> None:
        """Begin again."""
        self._next = iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def set_range(self, start_index: int, end_index: int) -> None:
        """Only these samples from now on."""
        self._next = iter(self._rows[start_index:end_index])

    def __iter__(self) -> _Reader:
        return self

    def __next__(self) -> dict[str, np.ndarray]:
        row = self.get_next()
        if row is None:
            raise StopIteration
        return row


def _calibration(path: Path) -> list[dict[str, np.ndarray]]:
    """The first half of the samples, inputs by name."""
    rows: dict[int, dict[str, np.ndarray]] = {}
    for key, value in load_file(path).items():
        index, _, name = key.partition(".")
        rows.setdefault(int(index), {})[name] = value
    return [rows[index] for index in sorted(rows)[: max(1, len(rows) // 2)]]


def _save(model: onnx.ModelProto, path: Path) -> None:
    """In one file where that is possible: small tensors that decide shapes must not be in another one."""
    # Protobuf's own `ByteSize` fails for what is larger than a message may be.
    large = sum(len(weight.raw_data) for weight in model.graph.initializer) > _LARGEST_INLINE
    onnx.save(model, str(path), save_as_external_data=large, location=_WEIGHTS if large else None)


def _census(path: Path) -> tuple[dict[str, int], int]:
    graph = onnx.load(path, load_external_data=False).graph
    counts: dict[str, int] = {}
    for weight in graph.initializer:
        name = onnx.TensorProto.DataType.Name(weight.data_type).lower()
        counts[name] = counts.get(name, 0) + int(np.prod(weight.dims, dtype=np.int64))
    return counts, sum(node.op_type.endswith("QuantizeLinear") for node in graph.node)


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
