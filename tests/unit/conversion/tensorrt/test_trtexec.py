"""Command lines of TensorRT's own program."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from argosy.conversion.tensorrt.shapes import shape_ranges
from argosy.conversion.tensorrt.trtexec import (
    BuildOptions,
    build_command,
    read_answer,
    read_speed,
    run_command,
    speed_command,
)

PROGRAM, NETWORK, PLAN = Path("/t/trtexec"), Path("/w/model.onnx"), Path("/w/model.plan")


def test_a_build_is_typed_by_its_network() -> None:
    """No flag says a precision: TensorRT 11 has none, and f32 is not to be TF32."""
    assert build_command(PROGRAM, NETWORK, PLAN, {}, BuildOptions()) == [
        *("/t/trtexec", "--onnx=/w/model.onnx", "--saveEngine=/w/model.plan"),
        *("--stronglyTyped", "--noTF32", "--skipInference"),
    ]


def test_what_is_asked_for_is_said() -> None:
    """Shapes, memory in MiB, times that are kept, and where else the engine shall run."""
    options = BuildOptions(3 << 30, Path("/w/timing.cache"), hardware_compatible=True)
    command = build_command(PROGRAM, NETWORK, PLAN, shape_ranges({"x": (-1, 3)}, [], 8), options)
    assert command[6:] == [
        *("--minShapes=x:1x3", "--optShapes=x:4x3", "--maxShapes=x:8x3"),
        *("--memPoolSize=workspace:3072", "--timingCacheFile=/w/timing.cache"),
        "--hardwareCompatibilityLevel=ampere+",
    ]


def test_an_engine_is_asked_once_with_our_inputs() -> None:
    """By file, with the shape that the file's bytes have."""
    inputs = {"x": (Path("/w/0.bin"), (1, 3)), "n": (Path("/w/1.bin"), (1,))}
    assert run_command(PROGRAM, PLAN, inputs, Path("/w/a.json")) == [
        *("/t/trtexec", "--loadEngine=/w/model.plan", "--shapes=x:1x3,n:1", "--loadInputs=x:/w/0.bin,n:/w/1.bin"),
        *("--exportOutput=/w/a.json", "--iterations=1", "--duration=0", "--warmUp=0"),
    ]


def test_answers_have_their_shapes() -> None:
    """As trtexec writes them: dimensions as a text, values in a row."""
    found = read_answer('[\n  { "name" : "y"\n  , "dimensions" : "2x2"\n  , "values" : [ 1, 2.5, 3, 4 ]\n  }\n]\n')
    np.testing.assert_array_equal(found["y"], [[1.0, 2.5], [3.0, 4.0]])


def test_an_answer_that_is_cut_short_is_no_answer() -> None:
    """The values must fill the dimensions."""
    with pytest.raises(ValueError, match="reshape"):
        read_answer('[{"name": "y", "dimensions": "2x2", "values": [1]}]')


def test_speed_is_trtexecs_own_measurement() -> None:
    """For the shape of one sample; an output without it is an error and no speed of 0."""
    command = speed_command(PROGRAM, PLAN, {"x": (1, 3)})
    assert command == ["/t/trtexec", "--loadEngine=/w/model.plan", "--shapes=x:1x3"]
    assert read_speed("[I] === Performance summary ===\n[I] Throughput: 1234.56 qps\n") == 1234.56
    with pytest.raises(ValueError, match="how fast"):
        read_speed("[E] Error")
