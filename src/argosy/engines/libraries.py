"""Import what an engine needs, or say how to get it."""

from __future__ import annotations

import importlib
from typing import Any

from argosy.core.errors import MissingRequirement


def load(name: str, needed_by: str, install: str = "") -> Any:
    """The module `name`.

    Args:
        name: what to import.
        needed_by: who needs it, as the subject of a sentence.
        install: what to give to pip; the package of that name unless told.

    Raises:
        MissingRequirement: it is not installed, or cannot be loaded on this machine.
    """
    try:
        return importlib.import_module(name)
    # A library of the library's own that is missing can be an OSError: `ctypes` loads it.
    except (ImportError, OSError) as error:
        package = name.partition(".")[0]
        raise MissingRequirement(
            f"{needed_by} needs {package} ({error}). Run: pip install {install or package}"
        ) from error
