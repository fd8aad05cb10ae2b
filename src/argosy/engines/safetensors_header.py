"""What a safetensors file holds, read without its data.

Format: https://github.com/huggingface/safetensors, a little-endian UINT64 length, that much JSON, then the data.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from argosy.core.errors import InvalidModelEntry

_LONGEST_HEADER = 100_000_000
"""The library's own limit, bytes."""


class TensorHeader(msgspec.Struct):
    """One tensor of the file.

    Attributes:
        data_offsets: where its bytes begin and end, from the end of the header on.
    """

    dtype: str
    shape: tuple[int, ...]
    data_offsets: tuple[int, int]


def read_header(path: Path) -> Mapping[str, TensorHeader]:
    """The tensors by name.

    Raises:
        InvalidModelEntry: the file is no whole safetensors file, or cannot be read; the message names it.
    """
    try:
        with path.open("rb") as file:
            length = min(int.from_bytes(file.read(8), "little"), _LONGEST_HEADER)
            header = msgspec.json.decode(file.read(length), type=dict[str, Any])
        header.pop("__metadata__", None)
        tensors = msgspec.convert(header, dict[str, TensorHeader])
        size = path.stat().st_size
    except (OSError, msgspec.MsgspecError) as error:
        raise InvalidModelEntry(f"{path} is not a safetensors file: {error}.") from error
    end = 8 + length + max((tensor.data_offsets[1] for tensor in tensors.values()), default=0)
    if size < end:
        raise InvalidModelEntry(f"{path} ends after {size} of its {end} bytes; fetch it again.")
    return tensors
