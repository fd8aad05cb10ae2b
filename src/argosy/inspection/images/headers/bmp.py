"""BMP: BITMAPFILEHEADER and the DIB headers from BITMAPCOREHEADER to BITMAPV5HEADER (Microsoft, "Bitmap Storage")."""

from __future__ import annotations

import struct

from argosy.inspection.images.formats import ImageFormat
from argosy.inspection.images.headers.header import (
    Colour,
    Header,
    ImageLimits,
    check_rest,
    truncated,
    unsupported,
)

_CORE_HEADER = 12
_PLAIN, _BIT_FIELDS = 0, 3
_BITS = {1: Colour.PALETTE, 4: Colour.PALETTE, 8: Colour.PALETTE, 24: Colour.RGB, 32: Colour.RGB}


def read_bmp(data: bytes, limits: ImageLimits) -> Header:
    """The header of an uncompressed BMP, which must be whole and followed by nothing.

    Raises:
        InvalidRequest: it is not, or it has too many pixels.
        UnsupportedMediaType: it is run-length coded, holds another format, or has 16 bits for a pixel.
    """
    size = int.from_bytes(data[14:18], "little")
    if len(data) < 14 + size:
        raise truncated()
    compression = _PLAIN
    if size == _CORE_HEADER:
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
    else:
        width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    # A negative height means rows from the top.
    height = abs(height)
    limits.check_pixels(width, height)
    if bits not in _BITS or not (compression == _PLAIN or (compression == _BIT_FIELDS and bits == 32)):
        raise unsupported(f"The BMP has {bits} bits for each pixel and compression {compression}")
    pixels = int.from_bytes(data[10:14], "little")
    row = (width * bits + 31) // 32 * 4
    if pixels < 14 + size or pixels + row * height > len(data):
        raise truncated()
    check_rest(data, pixels + row * height)
    return Header(ImageFormat.BMP, width, height, min(bits, 8), _BITS[bits], alpha=compression == _BIT_FIELDS)
