"""From the bytes of a file to its header."""

from __future__ import annotations

from collections.abc import Callable

from argosy.inspection.images.formats import ImageFormat, identify
from argosy.inspection.images.headers.bmp import read_bmp
from argosy.inspection.images.headers.header import Header, ImageLimits
from argosy.inspection.images.headers.jpeg import read_jpeg
from argosy.inspection.images.headers.npy import read_npy
from argosy.inspection.images.headers.png import read_png
from argosy.inspection.images.headers.tiff import read_tiff

_READERS: dict[ImageFormat, Callable[[bytes, ImageLimits], Header]] = {
    ImageFormat.PNG: read_png,
    ImageFormat.JPEG: read_jpeg,
    ImageFormat.TIFF: read_tiff,
    ImageFormat.BMP: read_bmp,
    ImageFormat.NPY: read_npy,
}


def read_header(data: bytes, limits: ImageLimits) -> Header:
    """What a file says of its picture. Runs no decoder and takes time in proportion to the file's size at most.

    Raises:
        PayloadTooLarge: the file has too many bytes.
        UnsupportedMediaType: it is in a format, or a variant of one, that is not taken.
        InvalidRequest: it is empty, cut off or damaged, holds more than one picture or none, has too many pixels, or
            is followed by something else.
    """
    limits.check_size(len(data))
    return _READERS[identify(data)](data, limits)
