"""Reads what the export wrote down of the original's answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

Row = dict[str, NDArray[np.generic]]


def rows_of(path: Path) -> dict[int, Row]:
    """Arrays by sample and name, from keys `<sample>.<name>`."""
    rows: dict[int, Row] = {}
    for key, value in load_file(path).items():
        index, _, name = key.partition(".")
        rows.setdefault(int(index), {})[name] = value
    return dict(sorted(rows.items()))
