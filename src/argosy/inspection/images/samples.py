"""From a file to its samples, with Pillow and NumPy: runs in the decoder process only, never where requests are served.

Samples keep their depth: 1, 2, 4 and 8 bits become uint8, 12 and 16 bits become uint16 with the values stored. Pillow
has no colour images of 16 bits and gives the high byte of each sample; its unpackers for the two byte orders differ
only in which byte they keep, so that a second pass with the other order gives the low bytes, and both together the
exact samples. Gamma and colour profiles are not applied: samples are measurements.

A JPEG whose coded data is damaged between its markers decodes to whatever libjpeg makes of it; nothing tells.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import BmpImagePlugin, ExifTags, Image, ImageFile, JpegImagePlugin, PngImagePlugin, TiffImagePlugin

from argosy.inspection.images.formats import ImageFormat
from argosy.inspection.images.headers.header import Colour, Header
from argosy.inspection.images.picture import AnyPixels
from argosy.inspection.images.png_data import check_image_data

_PILLOW = {
    ImageFormat.PNG: PngImagePlugin.PngImageFile,
    ImageFormat.JPEG: JpegImagePlugin.JpegImageFile,
    ImageFormat.TIFF: TiffImagePlugin.TiffImageFile,
    ImageFormat.BMP: BmpImagePlugin.BmpImageFile,
}
_OTHER_BYTE = {
    "16B": "16L",
    "16L": "16B",
    "16N": "16B" if sys.byteorder == "little" else "16L",
}
_TURNS: dict[int, Callable[[AnyPixels], AnyPixels]] = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: stored[::-1].swapaxes(0, 1),
    7: lambda stored: stored[::-1, ::-1].swapaxes(0, 1),
    8: lambda stored: stored[:, ::-1].swapaxes(0, 1),
}
"""From the stored rows to the picture, for each EXIF orientation (CIPA DC-008, 4.6.4.A)."""


class Disagreement(Exception):
    """The decoder sees another picture than the header said."""


@dataclass(frozen=True, slots=True)
class Samples:
    """Decoded samples.

    Attributes:
        pixels: uint8 or uint16, H x W or H x W x 3, C-contiguous, orientation applied.
        orientation: EXIF orientation found, 1 to 8.
        conversions: see `ImageFacts`.
    """

    pixels: AnyPixels
    orientation: int
    conversions: tuple[str, ...]


def decode(data: bytes, header: Header) -> Samples:
    """The samples of a file whose header was read.

    Raises:
        Disagreement: the decoder sees another picture than `header`.
        Exception: whatever the decoder raises for a damaged file, `MemoryError` included.
    """
    if header.format is ImageFormat.NPY:
        return Samples(_array(data, header), 1, ())
    if header.format is ImageFormat.PNG:
        check_image_data(data, header)
    with _open(data, header) as image:
        orientation = _orientation(image)
        pixels, conversions = _samples(image, data, header)
    if orientation != 1:
        # Pillow turns TIFF by itself, and nothing else.
        pixels = pixels if header.format is ImageFormat.TIFF else _TURNS[orientation](pixels)
        conversions = (*conversions, f"EXIF orientation {orientation} applied")
    return Samples(np.ascontiguousarray(pixels), orientation, conversions)


def _array(data: bytes, header: Header) -> AnyPixels:
    array: AnyPixels = np.load(io.BytesIO(data), allow_pickle=False)
    if array.shape[:2] != (header.height, header.width) or array.dtype.itemsize * 8 != header.bit_depth:
        raise Disagreement
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))


def _open(data: bytes, header: Header) -> ImageFile.ImageFile:
    image = Image.open(io.BytesIO(data), formats=[header.format.upper()])
    sizes = [(header.width, header.height)]
    if header.format is ImageFormat.TIFF:
        # Pillow tells the size after the orientation.
        sizes.append((header.height, header.width))
    # A JPEG with a directory of further pictures turns into another class, which decodes more than was looked at.
    if type(image) is not _PILLOW[header.format] or image.size not in sizes:
        raise Disagreement
    return image


def _orientation(image: Image.Image) -> int:
    """The orientation that is stored; the values that EXIF reserves mean none."""
    value = image.getexif().get(ExifTags.Base.Orientation, 1)
    return value if value in _TURNS else 1


def _samples(image: ImageFile.ImageFile, data: bytes, header: Header) -> tuple[AnyPixels, tuple[str, ...]]:
    if header.bit_depth > 8:
        return _deep_samples(image, data, header)
    conversions: list[str] = []
    if header.bit_depth < 8 and header.colour is Colour.GRAY:
        conversions.append(f"{header.bit_depth}-bit gray spread over 8 bits")
    if header.white_is_zero:
        conversions.append("white-is-zero inverted")
    if header.colour is Colour.PALETTE:
        conversions.append("palette looked up")
    if header.colour is Colour.CMYK:
        conversions.append("CMYK to RGB without a colour profile")
    if header.alpha:
        conversions.append("transparency dropped")
    image.load()
    target = "L" if image.mode in {"1", "L", "LA"} else "RGB"
    if image.mode in {"P", "PA", "RGBA"}:
        # Straight to RGB, Pillow would warn of transparent colours; through RGBA, colours stay as they are stored.
        image.info.pop("transparency", None)
        straight = image.convert("RGBA")
        return np.asarray(straight)[..., :3], tuple(conversions)
    if image.mode == "LA":
        return np.asarray(image)[..., 0], tuple(conversions)
    if image.mode not in {"1", "L", "RGB", "CMYK"}:
        raise Disagreement
    image.info.pop("transparency", None)
    return np.asarray(image.convert(target)), tuple(conversions)


def _deep_samples(image: ImageFile.ImageFile, data: bytes, header: Header) -> tuple[AnyPixels, tuple[str, ...]]:
    conversions: list[str] = []
    if header.colour is Colour.RGB:
        pixels = _join(_bytes(image), _low_bytes(data, header))
    elif header.alpha:
        pixels = _gray_with_alpha(data, header)
    elif image.mode in {"I;16", "I;16B"}:
        pixels = np.asarray(image).astype(np.uint16)
    else:
        raise Disagreement
    if header.white_is_zero:
        pixels = np.uint16((1 << header.bit_depth) - 1) - pixels
        conversions.append("white-is-zero inverted")
    if header.alpha:
        conversions.append("transparency dropped")
    return pixels, tuple(conversions)


def _bytes(image: Image.Image) -> NDArray[np.uint8]:
    if image.mode not in {"RGB", "RGBA"}:
        raise Disagreement
    return np.asarray(image)[..., :3]


def _low_bytes(data: bytes, header: Header) -> NDArray[np.uint8]:
    with _open(data, header) as image:
        image.tile = [tile._replace(args=_other_byte(tile.args)) for tile in image.tile]
        return _bytes(image)


def _other_byte(arguments: Any) -> Any:
    """A decoder's arguments with the raw mode that keeps the other byte of 16-bit samples."""
    if isinstance(arguments, tuple):
        return (_other_byte(arguments[0]), *arguments[1:])
    mode, _, order = arguments.partition(";")
    if order not in _OTHER_BYTE:
        raise Disagreement
    return f"{mode};{_OTHER_BYTE[order]}"


def _join(high: NDArray[np.uint8], low: NDArray[np.uint8]) -> NDArray[np.uint16]:
    joined = high.astype(np.uint16)
    joined <<= 8
    joined |= low
    return joined


def _gray_with_alpha(data: bytes, header: Header) -> NDArray[np.uint16]:
    """A pixel of 16-bit gray and 16-bit alpha (PNG) is as long as one of four bytes, and is read as such."""
    with _open(data, header) as image:
        if image.mode != "RGBA" or [tile.args for tile in image.tile] != ["LA;16B"]:
            raise Disagreement
        image.tile = [tile._replace(args="RGBA") for tile in image.tile]
        quads = np.asarray(image)
    return _join(quads[..., 0], quads[..., 1])
