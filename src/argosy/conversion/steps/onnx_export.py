"""A torch module as ONNX, with open dimensions and the names that serving expects."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
import torch

_OPSET = 18


class Answering(torch.nn.Module):
    """A transformers model that returns the named fields of its output as a tuple."""

    def __init__(self, model: torch.nn.Module, inputs: Sequence[str], fields: Sequence[str]) -> None:
        super().__init__()
        self.model = model
        self.inputs = tuple(inputs)
        self.fields = tuple(fields)

    def forward(self, *values: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """One tensor a field, for one value an input."""
        answer = self.model(**dict(zip(self.inputs, values, strict=True)))
        return tuple(answer[name] for name in self.fields)


def export_onnx(
    model: Answering,
    example: Mapping[str, torch.Tensor],
    dynamic: Mapping[str, Mapping[int, Any]],
    outputs: Sequence[str],
    path: Path,
) -> None:
    """Write `model` in f32.

    Args:
        model: called with the values of `example` in order; returns a tuple as long as `outputs`.
        example: inputs by name. No open dimension may be 1 in it: the exporter would take that for fixed.
        dynamic: open dimensions of each input.
        outputs: their names.
        path: of the `.onnx` file; large weights get a file of their own beside it.
    """
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            args=tuple(example.values()),
            f=str(path),
            input_names=list(example),
            output_names=list(outputs),
            dynamic_shapes={"values": tuple(dynamic[name] for name in example)},
            opset_version=_OPSET,
            dynamo=True,
            optimize=True,
            verbose=False,
        )
    onnx.checker.check_model(str(path), full_check=True)
