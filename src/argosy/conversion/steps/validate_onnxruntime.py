"""Asks ONNX Runtime for the judged samples, and compares its answers with the original's.

It is the library in Triton's onnxruntime backend, in the release that the conversion environment has.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnxruntime

from argosy.conversion.proof.measures import NotFinite
from argosy.conversion.sources.kinds import Kind
from argosy.conversion.steps.proofs.agreement import agreement
from argosy.conversion.steps.proofs.reference import Row, rows_of
from argosy.conversion.steps.proofs.speed import rate

_CPU = "CPUExecutionProvider"
_CUDA = "CUDAExecutionProvider"


def perform(request: Mapping[str, Any], output: Path) -> dict[str, Any]:  # noqa: ARG001  every step has the same form
    """Compare one profile.

    Returns:
        `figures`, `speed` and `unit`; or `not_finite`, a sentence.

    Raises:
        RuntimeError: a GPU is asked for, and this ONNX Runtime is not built for one, or cannot use it.
    """
    reference, inputs = rows_of(Path(request["reference"])), rows_of(Path(request["inputs"]))
    rows = [inputs[index] for index in reference]
    session = _session(request)
    try:
        figures = agreement(Kind(request["kind"]), [_ask(session, row) for row in rows], list(reference.values()))
    except NotFinite as error:
        return {"not_finite": str(error)}
    speed = rate(lambda: [_ask(session, row) for row in rows], len(rows))
    return {"figures": figures, "speed": speed, "unit": "samples/s"}


def _session(request: Mapping[str, Any]) -> onnxruntime.InferenceSession:
    if request["gpu"] and _CUDA not in onnxruntime.get_available_providers():
        raise RuntimeError("the conversion environment's ONNX Runtime is built for processors; install onnxruntime-gpu")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = request["threads"]
    providers = [_CUDA, _CPU] if request["gpu"] else [_CPU]
    session = onnxruntime.InferenceSession(str(request["network"]), options, providers=providers)
    # What a provider lacks is a warning only, and the processor takes over.
    if session.get_providers()[0] != providers[0]:
        raise RuntimeError("ONNX Runtime cannot use the GPU; its log says which library of CUDA is missing")
    return session


def _ask(session: onnxruntime.InferenceSession, row: Row) -> dict[str, Any]:
    names = [port.name for port in session.get_outputs()]
    return dict(zip(names, session.run(names, row), strict=True))
