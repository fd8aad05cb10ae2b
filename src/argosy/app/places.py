"""Where conversions work, and where what they make goes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def converted_store(stores: Sequence[Path], cache: Path) -> Path:
    """The model store that converted entries go to: the first configured one, else a folder of the cache."""
    return stores[0] if stores else cache / "converted"


def conversion_work(cache: Path, name: str) -> Path:
    """Where the steps of the conversion of that name work."""
    return cache / "conversions" / name
