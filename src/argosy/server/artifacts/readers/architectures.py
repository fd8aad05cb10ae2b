"""What a Hugging Face `config.json` says of the kind of a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def architectures(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the classes that the model may be loaded as; none where the config holds anything but a list."""
    names = config.get("architectures")
    return tuple(map(str, names)) if isinstance(names, list) else ()
