"""TIFF 6.0: its directories, of which exactly one may be there, and the fields of it that say what the samples are."""

from __future__ import annotations

import struct
from typing import Literal

from argosy.inspection.images.formats import ImageFormat
from argosy.inspection.images.headers.header import (
    Colour,
    Header,
    ImageLimits,
    check_frames,
    damaged,
    truncated,
    unsupported,
)

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_FILL_ORDER, _SAMPLES, _PLANAR, _EXTRA, _SAMPLE_FORMAT = 266, 277, 284, 338, 339
_READ = frozenset(
    {
        _WIDTH,
        _HEIGHT,
        _BITS,
        _COMPRESSION,
        _PHOTOMETRIC,
        _FILL_ORDER,
        _SAMPLES,
        _PLANAR,
        _EXTRA,
        _SAMPLE_FORMAT,
    }
)
_COMPRESSIONS = frozenset({1, 5, 8, 32773, 32946})
"""None, LZW, Deflate (two numbers) and PackBits: what lossless writers use, and no second picture format inside."""
_COLOURS = {0: Colour.GRAY, 1: Colour.GRAY, 2: Colour.RGB, 3: Colour.PALETTE, 5: Colour.CMYK}
_COLOUR_SAMPLES = {Colour.GRAY: 1, Colour.RGB: 3, Colour.PALETTE: 1, Colour.CMYK: 4}
_DEPTHS = {
    Colour.GRAY: (1, 2, 4, 8, 12, 16),
    Colour.RGB: (8, 16),
    Colour.PALETTE: (1, 2, 4, 8),
    Colour.CMYK: (8,),
}
_WIDTHS = {1: ("B", 1), 3: ("H", 2), 4: ("I", 4)}
"""Types of integer fields: BYTE, SHORT, LONG."""
_MOST_VALUES = 16
_MOST_DIRECTORIES = 20_000
_STRAIGHT_ALPHA, _OTHER_SAMPLE = 2, 0

_Order = Literal["<", ">"]


def read_tiff(data: bytes, limits: ImageLimits) -> Header:
    """The header of a TIFF of one directory.

    Raises:
        InvalidRequest: it is damaged, has more than one directory, or too many pixels.
        UnsupportedMediaType: its samples are not unsigned integers of a depth that is taken, it is compressed with
            another picture format, or its transparency is multiplied into its colours.
    """
    order: _Order = "<" if data.startswith(b"II") else ">"
    first = _unsigned(data, 4, order, 4)
    check_frames(_directories(data, first, order), counted_to=_MOST_DIRECTORIES)
    fields = _fields(data, first, order)
    if _WIDTH not in fields or _HEIGHT not in fields:
        raise damaged("a TIFF has a width and a height")
    width, height = fields[_WIDTH][0], fields[_HEIGHT][0]
    limits.check_pixels(width, height)
    return _header(width, height, fields)


def _header(width: int, height: int, fields: dict[int, tuple[int, ...]]) -> Header:
    def one(tag: int, default: int) -> int:
        return fields.get(tag, (default,))[0]

    if one(_COMPRESSION, 1) not in _COMPRESSIONS:
        raise unsupported(f"The TIFF is compressed by method {one(_COMPRESSION, 1)}")
    colour = _COLOURS.get(photometric := one(_PHOTOMETRIC, -1))
    if colour is None:
        raise unsupported(f"The TIFF has photometric interpretation {photometric}")
    if set(fields.get(_SAMPLE_FORMAT, (1,))) != {1}:
        raise unsupported("The TIFF has samples that are signed or floating point numbers")
    bits = set(fields.get(_BITS, (1,)))
    if len(bits) != 1 or not bits <= set(_DEPTHS[colour]):
        raise unsupported(f"The TIFF has {'/'.join(map(str, sorted(bits)))} bits for each {colour} sample")
    depth = bits.pop()
    extra = fields.get(_EXTRA, ())
    if len(extra) > 1 or not set(extra) <= {_STRAIGHT_ALPHA, _OTHER_SAMPLE}:
        raise unsupported("The TIFF has more than one further sample, or transparency multiplied into its colours")
    if one(_SAMPLES, 1) != _COLOUR_SAMPLES[colour] + len(extra):
        raise unsupported(f"The TIFF has {one(_SAMPLES, 1)} {colour} samples in each pixel")
    if depth > 8 and colour is Colour.GRAY and extra:
        raise unsupported(f"The TIFF has a further sample beside {depth}-bit gray")
    if one(_PLANAR, 1) != 1 or one(_FILL_ORDER, 1) != 1:
        raise unsupported("The TIFF keeps samples in planes, or with reversed bits")
    return Header(
        ImageFormat.TIFF, width, height, depth, colour, _STRAIGHT_ALPHA in extra, white_is_zero=photometric == 0
    )


def _directories(data: bytes, first: int, order: _Order) -> int:
    """How many directories the chain from `first` has.

    Raises:
        InvalidRequest: the chain leads out of the file, or back into itself.
    """
    seen: set[int] = set()
    at = first
    while at:
        if at in seen:
            raise damaged("the chain of its directories has no end")
        seen.add(at)
        if len(seen) > _MOST_DIRECTORIES:
            break
        at = _unsigned(data, at + 2 + 12 * _unsigned(data, at, order, 2), order, 4)
    return len(seen)


def _fields(data: bytes, at: int, order: _Order) -> dict[int, tuple[int, ...]]:
    """The values of those fields of a directory that are read here."""
    fields: dict[int, tuple[int, ...]] = {}
    for index in range(_unsigned(data, at, order, 2)):
        entry = at + 2 + 12 * index
        tag, kind, count, value = struct.unpack_from(f"{order}HHII", data, entry)
        if tag not in _READ:
            continue
        # A field that two readers may read differently would let a decoder see another picture than was checked.
        if tag in fields or kind not in _WIDTHS or not 0 < count <= _MOST_VALUES:
            raise damaged(f"the TIFF field {tag} is twice there, or of a type or a length that it cannot have")
        letter, width = _WIDTHS[kind]
        where = entry + 8 if count * width <= 4 else value
        if where + count * width > len(data):
            raise truncated()
        fields[tag] = struct.unpack_from(f"{order}{count}{letter}", data, where)
    return fields


def _unsigned(data: bytes, at: int, order: _Order, width: int) -> int:
    if at + width > len(data):
        raise truncated()
    return int.from_bytes(data[at : at + width], "little" if order == "<" else "big")
