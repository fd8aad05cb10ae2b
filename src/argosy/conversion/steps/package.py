"""The last step: the entry becomes visible in the model store."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from argosy.conversion.publish import Bundle, publish


def perform(request: Mapping[str, Any], output: Path) -> dict[str, Any]:  # noqa: ARG001  every step has the same form
    """Write the entry that `request` describes; answers where it is.

    Raises:
        InvalidModelEntry: there is one of that name, and it is not to be replaced.
        ConfigurationError: the store cannot be written.
    """
    bundle = Bundle(
        name=request["name"],
        spec=request["spec"],
        config=request["config"],
        files={name: Path(path) for name, path in request["files"].items()},
        texts=request["texts"],
        extras={name: Path(path) for name, path in request["extras"].items()},
    )
    return {"directory": str(publish(Path(request["store"]), bundle, replace=request["replace"]))}
