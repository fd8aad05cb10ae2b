"""Whether a PNG's image data is all there. Runs in the decoder process.

Pillow fills rows that are missing with black and does not check the data's checksums: half a die would look like one
with a large defect. So the data is inflated once to be counted, which also verifies zlib's own checksum at its end.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from argosy.inspection.images.headers.header import Header

_STEP = 1 << 20
_COLOUR_TYPE_AT, _INTERLACED_AT = 25, 28
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Colour type: samples of a pixel."""
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""First column, first row, and the steps between them, of each pass (specification, 8.2)."""


class IncompleteData(Exception):
    """There is less image data than the picture needs, or more, or its checksum is wrong."""


def check_image_data(data: bytes, header: Header) -> None:
    """Inflate the image data and count it.

    Args:
        data: a PNG whose chunks are in order.
        header: what it says.

    Raises:
        IncompleteData: see there.
        zlib.error: it does not inflate.
    """
    expected = _filtered_bytes(
        header, _SAMPLES[data[_COLOUR_TYPE_AT]] * header.bit_depth, interlaced=data[_INTERLACED_AT] == 1
    )
    inflate = zlib.decompressobj()
    count = 0
    for part in _image_data(data):
        waiting = part
        while waiting and not inflate.eof and count <= expected:
            count += len(inflate.decompress(waiting, _STEP))
            waiting = inflate.unconsumed_tail
    while not inflate.eof and count <= expected and (more := inflate.decompress(b"", _STEP)):
        count += len(more)
    if count != expected or not inflate.eof:
        raise IncompleteData


def _image_data(data: bytes) -> Iterator[bytes]:
    at = 8
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"IDAT":
            yield data[at + 8 : at + 8 + length]
        elif kind == b"IEND":
            return
        at += 12 + length


def _filtered_bytes(header: Header, pixel_bits: int, *, interlaced: bool) -> int:
    """Bytes of all rows, each with one for its filter before it."""
    passes = _ADAM7 if interlaced else ((0, 0, 1, 1),)
    total = 0
    for left, top, across, down in passes:
        columns = max(0, -(-(header.width - left) // across))
        rows = max(0, -(-(header.height - top) // down))
        if columns:
            total += rows * (1 + (columns * pixel_bits + 7) // 8)
    return total
