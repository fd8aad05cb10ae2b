"""PNG (W3C Portable Network Graphics, third edition): a walk over its chunks."""

from __future__ import annotations

import struct

from argosy.inspection.images.formats import ImageFormat
from argosy.inspection.images.headers.header import (
    Colour,
    Header,
    ImageLimits,
    check_frames,
    check_rest,
    damaged,
    truncated,
)

_FIRST_CHUNK = 8
_MOST_CHUNKS = 20_000
"""Writers cut image data into chunks of 8 KiB and more; more chunks than this only cost time."""
_KINDS = {
    0: (Colour.GRAY, False, (1, 2, 4, 8, 16)),
    2: (Colour.RGB, False, (8, 16)),
    3: (Colour.PALETTE, False, (1, 2, 4, 8)),
    4: (Colour.GRAY, True, (8, 16)),
    6: (Colour.RGB, True, (8, 16)),
}
"""Colour type: meaning, alpha, allowed bit depths (table 10 of the specification)."""


def read_png(data: bytes, limits: ImageLimits) -> Header:
    """The header of a PNG, which must be whole, of one frame and followed by nothing.

    Raises:
        InvalidRequest: it is not, or it has too many pixels.
    """
    if len(data) < _FIRST_CHUNK + 25:
        raise truncated()
    length, kind, width, height, depth, colour_type, compression, filtering, interlace = struct.unpack_from(
        ">I4sIIBBBBB", data, _FIRST_CHUNK
    )
    if (length, kind) != (13, b"IHDR"):
        raise damaged("a PNG begins with an IHDR chunk")
    if colour_type not in _KINDS or depth not in _KINDS[colour_type][2]:
        raise damaged(f"PNG has no colour type {colour_type} with {depth} bits")
    if compression or filtering or interlace > 1:
        raise damaged("PNG has one compression, one family of filters and two orders of rows")
    limits.check_pixels(width, height)
    colour, alpha, _ = _KINDS[colour_type]
    transparent = _walk(data)
    return Header(ImageFormat.PNG, width, height, depth, colour, alpha or transparent)


def _walk(data: bytes) -> bool:
    """Follow the chunks to the end; whether one of them names a transparent colour."""
    at = _FIRST_CHUNK
    transparent = animated = drawn = False
    for _ in range(_MOST_CHUNKS):
        if at + 12 > len(data):
            raise truncated()
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            raise truncated()
        if kind == b"IEND":
            check_rest(data, end)
            return transparent
        if kind == b"acTL":
            animated = True
            check_frames(_frames(data, at + 8, length))
        # Without a frame control before it, the image data is a picture beside the animation's.
        if kind == b"IDAT" and animated and not drawn:
            check_frames(2)
        drawn = drawn or kind in {b"IDAT", b"fcTL"}
        transparent = transparent or kind == b"tRNS"
        at = end
    raise damaged(f"it has more than {_MOST_CHUNKS} chunks")


def _frames(data: bytes, at: int, length: int) -> int:
    if length != 8:
        raise damaged("an acTL chunk has 8 bytes")
    frames = int.from_bytes(data[at : at + 4], "big")
    if frames == 0:
        raise damaged("an animation has at least one frame")
    return frames
