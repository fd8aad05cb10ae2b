"""NPY (numpy.lib.format): one array of unsigned integers; nothing in the header is evaluated."""

from __future__ import annotations

import math
import re

from argosy.inspection.images.formats import ImageFormat
from argosy.inspection.images.headers.header import (
    Colour,
    Header,
    ImageLimits,
    check_frames,
    check_rest,
    damaged,
    truncated,
    unsupported,
)

_HEADER = re.compile(
    rb"\{'descr': '([^']{1,16})', 'fortran_order': (?:True|False), 'shape': \(([0-9, ]{0,64})\), \} *\n"
)
_STRUCTURED = re.compile(rb"\{'descr': \[")
_DEPTHS = {b"|u1": 8, b"<u2": 16, b">u2": 16}
_NUMBER = re.compile(rb"[0-9]{1,9}")


def read_npy(data: bytes, limits: ImageLimits) -> Header:
    """The header of an array H x W (gray) or H x W x 3 (RGB) of uint8 or uint16, which must be exactly that long.

    Raises:
        InvalidRequest: it is damaged or cut off, holds more than one picture, or too many pixels.
        UnsupportedMediaType: its dtype or its shape is another.
    """
    width_of_length = 2 if data[6:7] == b"\x01" else 4
    begin = 8 + width_of_length
    end = begin + int.from_bytes(data[8:begin], "little")
    if len(data) < begin or end > len(data):
        raise truncated()
    text = data[begin:end]
    matched = _HEADER.fullmatch(text)
    if matched is None:
        if _STRUCTURED.match(text):
            raise unsupported("The NPY array has records for elements")
        raise damaged("its NPY header is not one that NumPy writes")
    descr, shape = matched[1], tuple(int(number) for number in _NUMBER.findall(matched[2]))
    if descr not in _DEPTHS:
        raise unsupported("The NPY array has elements that are not uint8 or uint16")
    if len(shape) == 4 or (len(shape) == 3 and shape[2] != 3):
        check_frames(shape[0])
    if len(shape) not in {2, 3} or (len(shape) == 3 and shape[2] != 3):
        raise unsupported(f"The NPY array has the shape {shape} and not (height, width) or (height, width, 3)")
    height, width = shape[:2]
    limits.check_pixels(width, height)
    whole = end + math.prod(shape) * _DEPTHS[descr] // 8
    if whole > len(data):
        raise truncated()
    check_rest(data, whole)
    return Header(ImageFormat.NPY, width, height, _DEPTHS[descr], Colour.GRAY if len(shape) == 2 else Colour.RGB)
