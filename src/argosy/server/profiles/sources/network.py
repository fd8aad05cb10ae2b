"""A network in ONNX or OpenVINO's form: all that is known without running it is how large its weights are."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from argosy.core.models import Task
from argosy.server.profiles.facts import Facts, Form


def read(files: Iterable[Path], name: str, *, task: Task = Task.TENSOR, stored: str = "fp32") -> Facts:
    """The facts of a network.

    Args:
        files: everything that belongs to it.
        name: of the model.
        task: what it does.
        stored: how its weights are kept.
    """
    found = sorted(files)
    size = sum(path.stat().st_size for path in found)
    form = Form.ONNX if any(path.suffix.lower() == ".onnx" for path in found) else Form.IR
    return Facts(name, task, form, stored=stored, weight_bytes=size, origin={"bytes": size, "stored": stored})
