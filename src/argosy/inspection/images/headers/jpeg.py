"""JPEG (ITU-T T.81, annex B): a walk over its markers, through the coded data, to the end."""

from __future__ import annotations

import re
from dataclasses import dataclass

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

_START, _END, _SCAN = 0xD8, 0xD9, 0xDA
_FRAMES_TAKEN = frozenset({0xC0, 0xC1, 0xC2})
"""Baseline, extended sequential and progressive, all Huffman-coded."""
_FRAMES = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF})
_LONE = frozenset({0x01, *range(0xD0, 0xD8)})
_COLOURS = {1: Colour.GRAY, 3: Colour.RGB, 4: Colour.CMYK}
_MOST_SEGMENTS = 1_000
_MOST_SCANS = 100
"""Encoders make about ten; each further scan of a progressive picture costs a pass over all of it."""
_MOST_PICTURES = 100
_PADDING = re.compile(rb"\xff*")
_AFTER_DATA = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)
"""What ends coded data: a marker that is neither a stuffed byte, a restart, nor padding (B.1.1.2, B.1.1.5)."""


@dataclass(frozen=True, slots=True)
class _Frame:
    width: int
    height: int
    components: int


def read_jpeg(data: bytes, limits: ImageLimits) -> Header:
    """The header of a JPEG, which must be whole, one picture, and followed by nothing.

    Raises:
        InvalidRequest: it is not, or it has too many pixels.
        UnsupportedMediaType: it is lossless, hierarchical, arithmetic-coded or has other than 8 bits.
    """
    frame, end = _picture(data, 0, limits)
    pictures = 1
    # Cameras put a second picture behind the first (CIPA DC-007, multi-picture format).
    while data.startswith(b"\xff\xd8\xff", end) and pictures <= _MOST_PICTURES:
        _, end = _picture(data, end, limits)
        pictures += 1
    check_frames(pictures, counted_to=_MOST_PICTURES)
    check_rest(data, end)
    return Header(ImageFormat.JPEG, frame.width, frame.height, 8, _COLOURS[frame.components])


def _picture(data: bytes, begin: int, limits: ImageLimits) -> tuple[_Frame, int]:
    """The frame of the picture at `begin`, and where the picture ends."""
    frame: _Frame | None = None
    at, scans = begin + 2, 0
    for _ in range(_MOST_SEGMENTS):
        marker, at = _marker(data, at)
        if marker == _END:
            if frame is None or not scans:
                raise damaged("a JPEG has a frame header and a scan before its end")
            return frame, at
        if marker in _LONE:
            continue
        if marker == _START:
            raise damaged("a JPEG starts once")
        length = int.from_bytes(data[at : at + 2], "big")
        if at + max(length, 2) > len(data):
            raise truncated()
        if length < 2:
            raise damaged("a JPEG segment has at least two bytes")
        if marker in _FRAMES:
            if frame is not None:
                raise damaged("a JPEG has one frame header")
            frame = _frame(marker, data[at : at + length], limits)
        at += length
        if marker == _SCAN:
            scans += 1
            if scans > _MOST_SCANS:
                raise damaged(f"it has more than {_MOST_SCANS} scans")
            at = _after_scan(data, at)
    raise damaged(f"it has more than {_MOST_SEGMENTS} segments")


def _marker(data: bytes, at: int) -> tuple[int, int]:
    """The marker at `at`, which any number of padding bytes may precede, and where its segment begins."""
    if at >= len(data):
        raise truncated()
    if data[at] != 0xFF:
        raise damaged("a JPEG segment begins with a marker")
    padded = _PADDING.match(data, at)
    at = padded.end() if padded is not None else at
    if at >= len(data):
        raise truncated()
    return data[at], at + 1


def _frame(marker: int, segment: bytes, limits: ImageLimits) -> _Frame:
    if marker not in _FRAMES_TAKEN:
        raise unsupported("The JPEG is lossless, hierarchical or arithmetic-coded")
    if len(segment) < 8:
        raise damaged("a JPEG frame header has at least eight bytes")
    precision, components = segment[2], segment[7]
    height, width = int.from_bytes(segment[3:5], "big"), int.from_bytes(segment[5:7], "big")
    if precision != 8:
        raise unsupported(f"The JPEG has {precision} bits for each sample")
    if components not in _COLOURS:
        raise unsupported(f"The JPEG has {components} components")
    limits.check_pixels(width, height)
    return _Frame(width, height, components)


def _after_scan(data: bytes, at: int) -> int:
    found = _AFTER_DATA.search(data, at)
    if found is None:
        raise truncated()
    return found.start()
