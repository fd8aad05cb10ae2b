"""Import what this engine needs, or say how to get it."""

from __future__ import annotations

import importlib
from typing import Any

from argosy.core.errors import MissingRequirement


def load(name: str) -> Any:
    """The module `name`.

    Raises:
        MissingRequirement: it is not installed, or cannot be loaded on this machine.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise MissingRequirement(
            f"The engine 'openvino' needs {package} ({error}). Run: pip install {package}"
        ) from error
