"""Simplifies an ONNX network with ONNX Runtime's basic level: constants folded, identities and dropouts removed.

That level keeps to standard operators, so that every builder can read what comes out.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
import onnxruntime

_WEIGHTS = "model.onnx.data"


def perform(request: Mapping[str, Any], output: Path) -> dict[str, Any]:
    """Write `model.onnx`; answers how many nodes there were and are."""
    source, target = Path(request["network"]), output / "model.onnx"
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(target)
    # A protobuf message ends at 2 GiB; and weights that the source keeps in another file would go on pointing there.
    options.add_session_config_entry("session.optimized_model_external_initializers_file_name", _WEIGHTS)
    options.add_session_config_entry("session.optimized_model_external_initializers_min_size_in_bytes", "0")
    onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
    onnx.checker.check_model(str(target))
    return {"nodes_before": _nodes(source), "nodes_after": _nodes(target)}


def _nodes(path: Path) -> int:
    return len(onnx.load(path, load_external_data=False).graph.node)
