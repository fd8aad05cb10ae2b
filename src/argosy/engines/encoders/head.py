"""A classification head of the entry's own: a linear layer on the embedding, then softmax.

It is applied in NumPy, in f32, outside of the network. Inside, the small product ran wrong for batches: OpenVINO
2026.4's CPU plugin gave zeros for every row but the first when it was written as multiply and sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from argosy.core.errors import InvalidModelEntry
from argosy.core.models import ModelSpec
from argosy.core.tensors import Tensor
from argosy.engines.libraries import load


@dataclass(frozen=True, slots=True)
class Head:
    """Weight FP32 [labels, dimensions] and bias FP32 [labels]."""

    weight: Tensor
    bias: Tensor

    @property
    def dimensions(self) -> int:
        """Length of the vectors it takes."""
        return int(self.weight.shape[1])

    def probabilities(self, vectors: Tensor) -> Tensor:
        """Softmax of the linear layer, FP32 [rows, labels], for vectors FP32 [rows, dimensions]."""
        logits = vectors @ self.weight.T + self.bias
        exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
        result: Tensor = exponents / exponents.sum(axis=1, keepdims=True)
        return result


def read_head(directory: Path, spec: ModelSpec) -> Head | None:
    """The entry's head; None when the network has its own.

    Raises:
        InvalidModelEntry: the file is missing or does not hold them; the message names it.
    """
    if spec.head is None:
        return None
    path = directory / spec.head
    if not path.is_file():
        raise InvalidModelEntry(f"The head file {path} does not exist. Restore it, or correct 'head' in argosy.yaml.")
    safetensors = load("safetensors", "A classification head")
    numpy_files = load("safetensors.numpy", "A classification head")
    try:
        tensors = numpy_files.load_file(path)
        weight, bias = tensors["weight"].astype(np.float32), tensors["bias"].astype(np.float32)
    except KeyError as missing:
        raise InvalidModelEntry(f"The head file {path} lacks the tensor {missing}.") from missing
    except (safetensors.SafetensorError, OSError) as error:
        raise InvalidModelEntry(f"The head file {path} is not a safetensors file: {error}.") from error
    if weight.shape[0] != len(spec.labels) or bias.shape != (len(spec.labels),) or weight.ndim != 2:
        raise InvalidModelEntry(
            f"The head file {path} has weight {weight.shape} and bias {bias.shape}; {len(spec.labels)} labels need "
            f"[{len(spec.labels)}, d] and [{len(spec.labels)}]."
        )
    return Head(weight, bias)
