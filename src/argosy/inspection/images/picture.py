"""A decoded picture and what is known of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from argosy.inspection.images.formats import ImageFormat

Pixels = NDArray[np.uint8] | NDArray[np.uint16]
"""H x W (gray) or H x W x 3 (RGB), C-contiguous."""
AnyPixels = NDArray[Any]


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What is known of a picture beside its pixels.

    Attributes:
        format: of the file.
        size: bytes of the file.
        sha256: of the file's bytes, lower-case hexadecimal.
        width: pixels of a row as it is to be looked at, after the orientation was applied.
        height: rows, likewise.
        bit_depth: bits of a sample as stored; 12-bit samples stand in a uint16 array unscaled.
        orientation: EXIF orientation (1 to 8) that was found and has been applied.
        conversions: what was done to the stored samples, in order, in words; empty when they are as stored.
    """

    format: ImageFormat
    size: int
    sha256: str
    width: int
    height: int
    bit_depth: int
    orientation: int
    conversions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture whose decoding went well.

    Attributes:
        pixels: uint8 or uint16, H x W (gray) or H x W x 3 (RGB), C-contiguous.
        facts: what is known of it.
    """

    pixels: Pixels
    facts: ImageFacts
