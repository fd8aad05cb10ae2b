"""What every adapter offers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from argosy.core.tensors import Tensor
from argosy.inspection.outputs.defects import Findings, Frame
from argosy.inspection.outputs.tensors import Patterns


class Adapter(Protocol):
    """Turns the output tensors of one kind of model into findings."""

    def expects(self) -> Mapping[str, Patterns]:
        """The tensors it reads, and the shapes each may have; N is the number of images."""
        ...

    def findings(self, tensors: Mapping[str, Tensor], frame: Frame) -> list[Findings]:
        """One value for each image of the batch.

        Args:
            tensors: what the model answered, by name; others than the expected ones are not looked at.
            frame: the size of the images as the model saw them.

        Raises:
            EngineError: a tensor is missing or holds what it must not; `param` is its name.
        """
        ...
