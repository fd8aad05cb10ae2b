"""Import what this engine needs, or say how to get it."""

from __future__ import annotations

from typing import Any

from argosy.engines import libraries


def load(name: str) -> Any:
    """The module `name`.

    Raises:
        MissingRequirement: it is not installed, or cannot be loaded on this machine.
    """
    return libraries.load(name, "The engine 'openvino'")
