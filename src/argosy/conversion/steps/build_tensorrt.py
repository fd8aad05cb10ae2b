"""One profile as a TensorRT engine for the GPU of this machine, by TensorRT's Python package or by `trtexec`.

Written against the documentation of TensorRT 10 and 11; it has not been run, because no GPU was at hand. What is
decided without a GPU (shapes, command lines, the types of the network) is in `argosy.conversion.tensorrt` and in the
step `type_network`, which have.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
from safetensors import safe_open

from argosy.conversion.tensorrt.shapes import OPEN, ShapeRange, shape_ranges
from argosy.conversion.tensorrt.trtexec import BuildOptions, build_command

PLAN = "model.plan"


def perform(request: Mapping[str, Any], output: Path) -> dict[str, Any]:
    """Write `model.plan`.

    Returns:
        `bytes` of the engine, `tensorrt` (version) and `shapes`: of each input with open dimensions the smallest, the
        usual and the largest.

    Raises:
        RuntimeError: TensorRT cannot build the network; the message has its words.
        InvalidSetting: the shapes cannot be decided.
    """
    network, plan = Path(request["network"]), output / PLAN
    ranges = shape_ranges(
        _inputs(network), _sample_shapes(Path(request["samples"])), request["max_batch"], request["max_dimension"]
    )
    options = build_options(request)
    if request["trtexec"]:
        command = build_command(Path(request["trtexec"]), network, plan, ranges, options)
        subprocess.run(command, check=True, stdout=sys.stdout, stderr=sys.stderr)
        version = "trtexec"
    else:
        version = _build(network, plan, ranges, options)
    shapes = {name: [each.smallest, each.usual, each.largest] for name, each in ranges.items()}
    return {"bytes": plan.stat().st_size, "tensorrt": version, "shapes": shapes}


def build_options(request: Mapping[str, Any]) -> BuildOptions:
    """The options in a request."""
    return BuildOptions(
        workspace=request["workspace"],
        timing_cache=Path(request["timing_cache"]) if request["timing_cache"] else None,
        hardware_compatible=request["hardware_compatible"],
    )


def _build(network: Path, plan: Path, ranges: Mapping[str, ShapeRange], options: BuildOptions) -> str:
    """Build with the Python package; answers its version."""
    import tensorrt as trt  # noqa: PLC0415 - trtexec does without it

    logger = trt.Logger(trt.Logger.INFO)
    builder = trt.Builder(logger)
    # Always so from TensorRT 11 on, which takes the flag without a word.
    flag = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    definition = builder.create_network(0 if flag is None else 1 << int(flag))
    parser = trt.OnnxParser(definition, logger)
    if not parser.parse_from_file(str(network)):
        errors = "; ".join(str(parser.get_error(at)) for at in range(parser.num_errors))
        raise RuntimeError(f"TensorRT cannot read the network: {errors}")
    config = _configured(trt, builder, ranges, options)
    cache = _timing_cache(config, options.timing_cache)
    built = builder.build_serialized_network(definition, config)
    if built is None:
        raise RuntimeError("TensorRT could not build an engine; its log says why")
    plan.write_bytes(built)
    if cache is not None and options.timing_cache is not None:
        _replace(options.timing_cache, config.get_timing_cache().serialize())
    return str(trt.__version__)


def _configured(trt: Any, builder: Any, ranges: Mapping[str, ShapeRange], options: BuildOptions) -> Any:
    config = builder.create_builder_config()
    # f32 means f32; TF32 keeps ten bits of each factor.
    config.clear_flag(trt.BuilderFlag.TF32)
    if options.workspace:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace)
    if options.hardware_compatible:
        config.hardware_compatibility_level = trt.HardwareCompatibilityLevel.AMPERE_PLUS
    if ranges:
        profile = builder.create_optimization_profile()
        for name, each in ranges.items():
            profile.set_shape(name, each.smallest, each.usual, each.largest)
        config.add_optimization_profile(profile)
    return config


def _timing_cache(config: Any, file: Path | None) -> Any:
    """The times measured before; those of another GPU or release are ignored, and the cache begins empty."""
    if file is None:
        return None
    known = file.read_bytes() if file.is_file() else b""
    cache = config.create_timing_cache(known)
    if cache is None or not config.set_timing_cache(cache, ignore_mismatch=False):
        cache = config.create_timing_cache(b"")
        config.set_timing_cache(cache, ignore_mismatch=False)
    return cache


def _replace(file: Path, data: bytes) -> None:
    """Whole or not at all: another profile reads it, after a build that was ended too."""
    staged = file.with_suffix(".new")
    staged.write_bytes(data)
    staged.replace(file)


def _inputs(network: Path) -> dict[str, tuple[int, ...]]:
    graph = onnx.load(network, load_external_data=False).graph
    weights = {weight.name for weight in graph.initializer}
    return {
        value.name: tuple(
            size.dim_value if size.HasField("dim_value") else OPEN for size in value.type.tensor_type.shape.dim
        )
        for value in graph.input
        if value.name not in weights
    }


def _sample_shapes(samples: Path) -> list[dict[str, tuple[int, ...]]]:
    rows: dict[str, dict[str, tuple[int, ...]]] = {}
    with safe_open(samples, framework="numpy") as arrays:
        for key in arrays.keys():  # noqa: SIM118 - not a mapping
            index, _, name = key.partition(".")
            rows.setdefault(index, {})[name] = tuple(arrays.get_slice(key).get_shape())
    return list(rows.values())
